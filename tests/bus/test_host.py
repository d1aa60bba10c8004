# SPDX-License-Identifier: GPL-2.0-or-later
"""org.gpuctl1.Host: what changes the host's configuration, with the shipped gpuctl-apply on an /etc of its own."""
import json
import os
import pathlib
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import ROOT, SERVICE, WORK

HOST = 'org.gpuctl1.Host'
NVIDIA = '0000:01:00.0'
TRIAL = pathlib.Path('/etc/udev/rules.d/61-gpuctl-trial.rules')
CONFIRMED = pathlib.Path('/etc/udev/rules.d/61-gpuctl-boot.rules')
STORE = WORK / 'state/boot-policy.json'


def boot_id():
    return pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()


class HostTest(BusTest):
    def host(self, member, signature='', *arguments, user='root'):
        return self.client(user).bus.call(SERVICE, ROOT, HOST, member, signature, arguments, 60)[0]

    def refusal(self, member, signature='', *arguments, user='root'):
        client = self.client(user)
        error = client.error(client.bus.call, SERVICE, ROOT, HOST, member, signature, arguments, 60)
        self.message = getattr(client, 'last_message', '')
        return error

    def policies(self):
        return [{key: value.value for key, value in policy.items()} for policy in self.host('BootPolicies')]

    def confirm_by_hand(self, **changes):
        """The store as it is in a later boot, after the policy has been confirmed."""
        store = json.loads(STORE.read_text())
        store['policies'][0].update({'state': 'confirmed', 'boot': boot_id(), **changes})
        STORE.write_text(json.dumps(store))


    def leave_a_policy_behind(self):
        """A confirmed policy for a card in a slot that is empty now; its rule is there."""
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {})
        functions = json.loads(STORE.read_text())['policies'][0]['functions']
        for function in functions:
            function['address'] = function['address'].replace(':01:', ':09:')
        self.confirm_by_hand(gpu='0000:09:00.0', functions=functions)
        TRIAL.rename(CONFIRMED)


class Options(HostTest):
    def test_unknown_options_and_wrong_types_are_refused_by_name(self):
        calls = {'PlanKernelArguments': [], 'EnableKernelArguments': [], 'UndoKernelArguments': [],
                 'SetBootPolicy': [NVIDIA, 'vm'], 'ConfirmBootPolicy': [NVIDIA], 'ApplyBootPolicy': [], 'Report': []}
        for member, arguments in calls.items():
            signature = 's' * len(arguments) + 'a{sv}'
            with self.subTest(member=member):
                self.assertEqual(self.refusal(member, signature, *arguments, {'force': Variant('b', True)}), 'InvalidArgument')
                self.assertIn('unknown option force', self.message)
        for member, option in [('PlanKernelArguments', 'passthrough'), ('EnableKernelArguments', 'drop-vfio-ids'),
                               ('EnableKernelArguments', 'interactive'), ('PlanKernelArguments', 'interactive')]:
            with self.subTest(member=member, option=option):
                self.assertEqual(self.refusal(member, 'a{sv}', {option: Variant('s', 'yes')}), 'InvalidArgument')
                self.assertIn(f'option {option} takes a boolean', self.message)
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {'migrate': Variant('u', 1)}), 'InvalidArgument')
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', NVIDIA, 'sideways', {}), 'InvalidArgument')
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', '0000:09:00.0', 'vm', {}), 'NotFound')


class KernelArguments(HostTest):
    def test_the_state_has_every_documented_key(self):
        state = {key: value.value for key, value in self.host('KernelArguments', user='nobody').items()}
        self.assertEqual(set(state), {'mechanism', 'description', 'current', 'configured', 'add', 'remove', 'advice',
                                      'changed-by-gpuctl', 'reboot-needed'})
        self.assertIn('intel_iommu=on', state['current'])
        self.assertEqual(state['add'], [])
        self.assertFalse(state['changed-by-gpuctl'])

    def test_an_iommu_that_is_on_needs_nothing(self):
        self.assertEqual(self.host('PlanKernelArguments', 'a{sv}', {}, user='nobody'), '')
        self.assertIn('the IOMMU is on', self.host('EnableKernelArguments', 'a{sv}', {}))
        self.assertIn('nothing to undo', self.host('UndoKernelArguments', 'a{sv}', {}))

    def test_that_there_is_nothing_to_do_is_told_without_authorization(self):
        self.assertIn('the IOMMU is on', self.host('EnableKernelArguments', 'a{sv}', {}, user='mallory'))
        self.assertIn('nothing to undo', self.host('UndoKernelArguments', 'a{sv}', {}, user='mallory'))
        # This machine has no boot loader that gpuctl knows.
        self.assertEqual(self.refusal('EnableKernelArguments', 'a{sv}', {'passthrough': Variant('b', True)}, user='mallory'),
                         'NotSupported')
        self.assertIn('iommu=pt', self.message)
        self.assert_untouched()


class BootPolicy(HostTest):
    def tearDown(self):
        for rules in (TRIAL, CONFIRMED):
            rules.unlink(missing_ok=True)
        super().tearDown()

    def test_a_policy_is_set_shown_and_cleared(self):
        self.assertIn('on trial', self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {}))
        self.assertEqual(self.policies(), [{'gpu': NVIDIA, 'side': 'vm', 'state': 'pending', 'ids': '10de:25a0', 'late': False,
                                            'disabled': False}])
        self.assertIn('KERNEL=="0000:01:00.1"', TRIAL.read_text())
        self.assertEqual(self.refusal('ConfirmBootPolicy', 'sa{sv}', NVIDIA, {}), 'InvalidArgument')
        self.assertIn('reboot', self.message)
        self.assertIn('no boot policy any more', self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'clear', {}))
        self.assertFalse(TRIAL.exists())
        self.assertEqual(self.policies(), [])
        self.assert_untouched()

    def test_what_cannot_be_is_refused_before_a_password_is_asked_for(self):
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', '0000:00:02.0', 'vm', {}, user='mallory'), 'Blocked')
        self.assertIn('boot into the dark', self.message)

    def test_that_there_is_nothing_to_do_is_told_without_authorization(self):
        self.assertIn('no boot policy', self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'clear', {}, user='mallory'))
        self.assertEqual(self.refusal('ConfirmBootPolicy', 'sa{sv}', NVIDIA, {}, user='mallory'), 'NotFound')
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {}, user='mallory'), 'NotAuthorized')
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {})
        self.assertIn('on trial', self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {}, user='mallory'))
        self.assertEqual(self.refusal('ConfirmBootPolicy', 'sa{sv}', NVIDIA, {}, user='mallory'), 'InvalidArgument')
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', NVIDIA, 'clear', {}, user='mallory'), 'NotAuthorized')
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'clear', {})

    def test_the_policy_of_a_card_that_has_been_taken_out_is_cleared(self):
        for typed in ('0000:09:00.0', '0000:09:00', '09:00', '09:00.1'):
            with self.subTest(typed=typed):
                self.leave_a_policy_behind()
                self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', typed, 'clear', {}, user='mallory'),
                                 'NotAuthorized')
                self.assertEqual(self.host('SetBootPolicy', 'ssa{sv}', typed, 'clear', {}),
                                 "0000:09:00.0 has no boot policy any more: it starts with the host's driver")
                self.assertEqual(self.policies(), [])
                self.assertFalse(CONFIRMED.exists())

    def test_without_a_card_there_is_nothing_to_set_and_nothing_else_to_clear(self):
        self.leave_a_policy_behind()
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', '09:00', 'vm', {}), 'NotFound')
        self.assertEqual(self.refusal('SetBootPolicy', 'ssa{sv}', '0a:00', 'clear', {}), 'NotFound')
        self.assertIn('gpuctl boot show', self.message)
        self.assertEqual([p['gpu'] for p in self.policies()], ['0000:09:00.0'])
        self.host('SetBootPolicy', 'ssa{sv}', '09:00', 'clear', {})

    def test_applying_moves_the_gpu_by_an_operation_and_answers_when_it_is_there(self):
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {})
        self.confirm_by_hand()
        problems = self.host('ApplyBootPolicy', 'a{sv}', {})
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')
        self.assertEqual([p['id'].value for p in problems], ['boot-policy-late'])
        self.assertEqual([p['late'] for p in self.policies()], [True])
        self.assertEqual(self.host('ApplyBootPolicy', 'a{sv}', {}), [])
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'host', {})
        self.assertEqual(self.host('ApplyBootPolicy', 'a{sv}', {}), [])
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')

    def test_who_confirms_while_the_policy_is_being_applied_gets_an_answer_not_busy(self):
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {})
        self.confirm_by_hand(state='trial')
        store = STORE.read_text()
        STORE.unlink()
        os.mkfifo(STORE)  # applying takes as long as this takes to be read
        boot = self.client('root').bus
        applying = boot.send_call(SERVICE, ROOT, HOST, 'ApplyBootPolicy', 'a{sv}', [{}])
        with open(STORE, 'w') as slow:
            user = self.client('root').bus
            confirming = user.send_call(SERVICE, ROOT, HOST, 'ConfirmBootPolicy', 'sa{sv}', [NVIDIA, {}])
            with self.assertRaises(TimeoutError):
                user.reply(confirming, 1)
            real = STORE.with_name('real')
            real.write_text(store)
            real.rename(STORE)
            slow.write(store)
        self.assertIn('at every boot', user.reply(confirming, 60)[0])
        boot.reply(applying, 60)
        self.assertEqual([p['state'] for p in self.policies()], ['confirmed'])
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'host', {})
        self.host('ApplyBootPolicy', 'a{sv}', {})
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'clear', {})

    def test_applying_waits_for_no_polkit_which_may_not_be_up_so_early(self):
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {})
        self.confirm_by_hand()
        self.machine.policy('dead')
        self.addCleanup(self.machine.policy, 'rules')
        self.assertEqual(self.refusal('ApplyBootPolicy', 'a{sv}', {}, user='bob'), 'NotAuthorized')
        self.host('ApplyBootPolicy', 'a{sv}', {})
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')

    def test_another_card_at_the_address_stays_where_it_is(self):
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {})
        functions = json.loads(STORE.read_text())['policies'][0]['functions']
        functions[0]['device'] = 0x2684
        self.confirm_by_hand(functions=functions)
        problems = self.host('ApplyBootPolicy', 'a{sv}', {})
        self.assertEqual([p['id'].value for p in problems], ['boot-policy-card-changed'])
        self.assert_untouched()

    def test_what_holds_the_gpu_is_told(self):
        self.host('SetBootPolicy', 'ssa{sv}', NVIDIA, 'vm', {})
        self.confirm_by_hand()
        self.machine.fake('probe-error vfio-pci 0000:01:00.0 EIO')
        problems = self.host('ApplyBootPolicy', 'a{sv}', {})
        self.machine.fake('clear')
        self.assertIn('boot-policy-not-applied', [p['id'].value for p in problems])
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')


class Report(HostTest):
    def test_a_report_is_json_with_the_findings_and_what_they_rest_on(self):
        report = json.loads(self.host('Report', 'a{sv}', {}, user='nobody'))
        self.assertEqual(report['findings'][-1]['id'], 'ready')
        self.assertEqual(report['caller']['uid'], self.machine.uids['nobody'])
        self.assertIn('proc/cmdline', report['files'])
        self.assertIn('sys/bus/pci/devices', report['directories'])


if __name__ == '__main__':
    unittest.main()
