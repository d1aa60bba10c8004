# SPDX-License-Identifier: GPL-2.0-or-later
"""ListUsers: who holds a GPU, and whose command lines the caller sees."""
import subprocess
import time
import unittest

from case import BusTest
from machine import MANAGER, ROOT, SERVICE, until

ADDRESS = '0000:01:00.0'
OWNER = 'alice'
WHOLE, SHORT = 'sleep infinity', 'sleep'


class Users(BusTest):
    def setUp(self):
        super().setUp()
        with open(f'/sys/bus/pci/devices/{ADDRESS}/config', 'rb') as attribute:
            self.holder = subprocess.Popen(WHOLE.split(), stdin=attribute, user=self.machine.uids[OWNER])

    def tearDown(self):
        self.holder.kill()
        self.holder.wait()
        super().tearDown()

    def entry(self, user):
        """What this user is told about the holder."""
        found = self.client(user).manager('ListUsers', 's', ADDRESS)[0]
        entry, = [{key: value.value for key, value in each.items()} for each in found if each['pid'].value == self.holder.pid]
        return entry

    def command(self, user):
        return self.entry(user)['command']

    def test_a_holder_is_told_with_all_that_is_documented(self):
        entry = self.entry(OWNER)
        self.assertEqual(set(entry), {'pid', 'command', 'uid', 'unit', 'session', 'container', 'machine', 'what', 'via', 'lets-go',
                                      'shared', 'remedy'})
        self.assertEqual((entry['uid'], entry['container'], entry['machine']), (self.machine.uids[OWNER], '', ''))
        self.assertIs(entry['lets-go'], True)  # an attribute file keeps no driver

    def test_a_command_line_that_is_no_text_for_the_bus_hides_nobody(self):
        with open(f'/sys/bus/pci/devices/{ADDRESS}/config', 'rb') as attribute:
            odd = subprocess.Popen([b'\xef\xbf\xbf\xff', b'1000'], executable='/bin/sleep', stdin=attribute,
                                   user=self.machine.uids[OWNER])
        self.addCleanup(odd.wait)
        self.addCleanup(odd.kill)
        found = self.client('root').manager('ListUsers', 's', ADDRESS)[0]
        self.assertEqual({each['pid'].value for each in found}, {self.holder.pid, odd.pid})

    def test_command_lines_show_to_root_to_their_owner_and_to_who_may_attach_the_gpu(self):
        until(lambda: self.command('bob') == WHOLE, what='a polkit that answers in time')
        self.assertEqual({user: self.command(user) for user in ('root', OWNER, 'carol', 'mallory')},
                         {'root': WHOLE, OWNER: WHOLE, 'carol': SHORT, 'mallory': SHORT})

    def test_polkit_is_asked_about_this_gpu_and_nobody_for_a_password(self):
        questions = self.machine.questions()
        self.addCleanup(questions.close)
        self.command('bob')
        questions.wait(lambda: questions.calls, 10, 'a question to polkit')
        _, action, details, flags, _ = questions.calls[0].body
        self.assertEqual((action, details['gpu'], details['vm'], flags), ('org.gpuctl1.attach', ADDRESS, '', 0))
        self.assertEqual(len(questions.calls), 1)

    def test_where_nothing_is_hidden_polkit_is_not_asked(self):
        questions = self.machine.questions()
        self.addCleanup(questions.close)
        for user in ('root', OWNER):
            self.command(user)
        bob = self.client('bob')
        self.holder.kill()
        self.holder.wait()
        bob.manager('ListUsers', 's', ADDRESS)
        self.assertEqual(bob.finish(bob.attach(ADDRESS))[0], 'succeeded')
        questions.wait(lambda: questions.calls, 10, "the attach's question to polkit")
        self.assertEqual(len(questions.calls), 1)

    def test_a_polkit_that_says_nothing_delays_nobody_and_shows_nothing(self):
        for policy in ('no', 'missing', 'dead', 'frozen'):
            self.machine.policy(policy)
            with self.subTest(policy=policy):
                begin = time.monotonic()
                self.assertEqual(self.command('bob'), SHORT)
                self.assertLess(time.monotonic() - begin, 10)  # polkit's usual time

    def test_who_looks_again_and_again_asks_a_silent_polkit_once_and_may_attach_still(self):
        self.machine.policy('frozen')
        questions = self.machine.questions()
        self.addCleanup(questions.close)
        self.assertEqual({self.command('mallory') for _ in range(10)}, {SHORT})
        mallory = self.client('mallory')
        serial = mallory.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [ADDRESS, '', {}])
        questions.wait(lambda: len(questions.calls) >= 2, 9, "the attach's question")
        self.assertEqual(len(questions.calls), 2)
        self.machine.thaw()
        self.assertEqual(mallory.error(mallory.bus.reply, serial, 9), 'NotAuthorized')


if __name__ == '__main__':
    unittest.main()
