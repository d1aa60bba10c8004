# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt's hook asks for when a domain starts, and what the domain's definition says beside its GPU."""
import pathlib
import unittest

from case import BusTest
from machine import GPU, ROOT, SERVICE

UUID = '5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab'
OTHER_UUID = '5a3f2c1e-9d8b-4c7a-8e6f-0123456789ac'
GPU_FUNCTIONS = ['01:00.0', '01:00.1']
NEIGHBOUR, NEIGHBOUR_ADDRESS = '01:00.2', '0000:01:00.2'


def hostdev(function, managed):
    bus, slot, number = function.replace('.', ':').split(':')
    return (f'<hostdev mode="subsystem" type="pci" managed="{managed}"><source><address domain="0x0000" bus="0x{bus}" '
            f'slot="0x{slot}" function="0x{number}"/></source></hostdev>')


def domain(uuid=UUID, **functions):
    """domain(no=['01:00.0'], yes=['00:14.0']): as libvirt gives it to its hook."""
    devices = ''.join(hostdev(f, managed) for managed, listed in functions.items() for f in listed)
    return (f'<domain type="kvm"><name>win11</name><uuid>{uuid}</uuid><memory>1000000</memory>'
            f'<os><type arch="x86_64" machine="q35">hvm</type></os><devices>{devices}</devices></domain>')


def node(state=1, devices=''):
    """A machine of libvirt's test driver; 1: the domain runs, 3: it is paused, 5: it is shut off."""
    return (f'<node><domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><test:runstate>{state}</test:runstate>'
            f'<name>win11</name><uuid>{UUID}</uuid><memory>1000000</memory><os><type arch="x86_64" machine="q35">hvm</type></os>'
            f'<devices><controller type="pci" model="pcie-root"/>{devices}</devices></domain></node>')


class Hook(BusTest):
    def prepare(self, xml):
        """The name of the refusal, if it is one."""
        root = self.client()
        refusal = root.error(root.bus.call, SERVICE, ROOT, 'org.gpuctl1.Vms', 'PrepareDomain', 'ssa{sv}', ['win11', xml, {}])
        self.said = root.last_message if refusal else ''
        return refusal

    def assert_with_vm(self):
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')

    def until_home(self, gpu):
        root = self.client()
        root.bus.wait(lambda: root.state(f'/org/gpuctl1/gpus/{gpu}') == 'host', 15, f'{gpu} at home')


class Group(Hook):
    """A network card shares the GPU's group and slot."""
    machine_name = 'shared-group'

    def setUp(self):
        super().setUp()
        self.restart_with_domains(node())

    def test_a_domain_that_gets_the_whole_group_from_libvirt_starts(self):
        self.assertIsNone(self.prepare(domain(yes=[*GPU_FUNCTIONS, NEIGHBOUR])))
        self.assert_with_vm()
        self.assertEqual(self.machine.functions()[NEIGHBOUR_ADDRESS]['driver'], 'e1000e')

    def test_so_does_one_that_got_its_gpu_by_gpuctl(self):
        self.assertIsNone(self.prepare(domain(no=GPU_FUNCTIONS, yes=[NEIGHBOUR])))
        self.assert_with_vm()

    def test_what_nobody_takes_from_the_host_keeps_the_gpu_there(self):
        for xml in (domain(yes=GPU_FUNCTIONS), domain(yes=GPU_FUNCTIONS, no=[NEIGHBOUR])):
            self.assertEqual(self.prepare(xml), 'Blocked')
            self.assertIn('foreign-in-group', self.said)
        self.assert_untouched()


class Attach(Hook):
    """The same, asked for by hand."""
    machine_name = 'shared-group'

    def attach(self, managed):
        self.restart_with_domains(node(5, hostdev(NEIGHBOUR, managed)))
        bob = self.client('bob')
        return bob.error(lambda: self.assertEqual(bob.finish(bob.attach('0000:01:00.0', 'win11'))[0], 'succeeded'))

    def test_a_vm_whose_definition_has_the_rest_of_the_group_gets_the_gpu(self):
        self.assertIsNone(self.attach('yes'))
        self.assert_with_vm()

    def test_it_does_not_where_libvirt_would_not_take_the_rest(self):
        self.assertEqual(self.attach('no'), 'Blocked')
        self.assert_untouched()


class WithVfio(Hook):
    """The GPU is with VFIO, and its neighbour with a driver of the host's."""
    machine_name = 'shared-group'

    def lay_out(self, state):
        self.restart_with_domains(node(state))
        driver = pathlib.Path('/sys/bus/pci/drivers/e1000e')
        (driver / 'unbind').write_text(NEIGHBOUR_ADDRESS)
        self.bob = self.client('bob')
        self.assertEqual(self.bob.finish(self.bob.attach('0000:01:00.0'))[0], 'succeeded')
        (driver / 'bind').write_text(NEIGHBOUR_ADDRESS)
        self.bob.bus.wait(lambda: self.told() == ['blocker'], 10, 'the neighbour among the problems')

    def told(self):
        return self.foreign(self.bob.get('/org/gpuctl1/gpus/0000_01_00', GPU, 'Problems'))

    def foreign(self, problems):
        return [p['severity'].value for p in problems if p['id'].value == 'foreign-in-group']

    def test_a_vm_that_could_not_start_is_not_given_it(self):
        self.lay_out(5)
        checked = self.bob.manager('Check', 'ssa{sv}', '0000:01:00.0', 'win11', {})[0]
        self.assertEqual(self.foreign(checked), ['blocker'])
        self.assertEqual(self.bob.error(self.bob.attach, '0000:01:00.0', 'win11'), 'Blocked')
        self.assertEqual(self.bob.finish(self.bob.attach('0000:01:00.0'))[0], 'succeeded')  # it is so already

    def test_the_gpu_tells_it_as_long_as_no_vm_has_it(self):
        self.lay_out(1)
        with_neighbour = domain(yes=[*GPU_FUNCTIONS, NEIGHBOUR])
        self.assertIsNone(self.prepare(with_neighbour))
        self.assertEqual(self.told(), [])


class Dark(Hook):
    """The GPU that the host's console and the panel are on."""
    DISPLAY, ADDRESS = '00:02.0', '0000:00:02.0'

    def driver(self):
        return self.machine.functions()[self.ADDRESS]['driver']

    def test_a_domain_that_would_get_it_from_libvirt_alone_gets_it(self):
        self.restart_with_domains(node())
        self.assertEqual(self.prepare(domain(no=[self.DISPLAY])), 'Blocked')
        self.assertIn('boot-display', self.said)
        self.assertEqual(self.driver(), 'i915')
        self.assertIsNone(self.prepare(domain(yes=[self.DISPLAY])))
        self.assertEqual(self.driver(), 'vfio-pci')

    def test_what_was_forced_once_holds_for_the_next_starts_until_it_is_released(self):
        self.restart_with_domains(node(5))
        root = self.client()
        self.assertEqual(root.finish(root.attach(self.ADDRESS, 'win11', force=True))[0], 'succeeded')
        root.bus.call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'ReleaseDomain', 'ss', ['win11', domain()])
        self.until_home('0000_00_02')
        self.assertIsNone(self.prepare(domain(no=[self.DISPLAY])))
        self.until_home('0000_00_02')  # for the domain does not run
        self.assertEqual(self.prepare(domain(OTHER_UUID, no=[self.DISPLAY])), 'Blocked')
        self.assertEqual(root.finish(root.release(self.ADDRESS))[0], 'succeeded')
        self.assertEqual(self.prepare(domain(no=[self.DISPLAY])), 'Blocked')


class Failed(Hook):
    machine_name = 'two-gpus'

    def test_a_gpu_of_a_domain_that_has_failed_by_then_comes_home_also_while_another_one_runs(self):
        self.restart_with_domains(node())
        self.assertIsNone(self.prepare(domain(yes=GPU_FUNCTIONS)))
        self.assertIsNone(self.prepare(domain(OTHER_UUID, yes=['03:00.0', '03:00.1'])))  # libvirt has no such domain
        self.until_home('0000_03_00')
        self.assert_with_vm()


class StandsStill(Hook):
    def test_a_guest_that_is_paused_is_not_reported_as_started(self):
        self.restart_with_domains(node(3, ''.join(hostdev(f, 'no') for f in GPU_FUNCTIONS)))
        bob = self.client('bob')
        self.assertEqual(bob.error(bob.attach, '0000:01:00.0', 'win11', start=True), 'Blocked')
        self.assertIn('sudo virsh resume win11', bob.last_message)
        self.assert_untouched()


if __name__ == '__main__':
    unittest.main()
