# SPDX-License-Identifier: GPL-2.0-or-later
"""Base of the bus tests: one machine a process, fresh for every test."""
import unittest

from machine import Machine, WORK, until

_machine = None


def machine():
    global _machine
    if _machine is None:
        _machine = Machine()
        unittest.addModuleCleanup(_machine.close)
    return _machine


class BusTest(unittest.TestCase):
    measures_memory = False
    measures_time = False  # then everything else on this machine has to wait
    policy = 'rules'
    machine_name = 'laptop'

    def setUp(self):
        self.machine = machine()
        if self.machine.name != self.machine_name:
            self.machine.load(self.machine_name)
        self.machine.fresh()
        self.machine.policy(self.policy)
        self.machine.start(keeps_freed=not self.measures_memory)
        if self.measures_time:
            self.machine.go_first()
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()
        self.assertEqual(self.machine.sanitizers(), [])

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before and _machine:
            print(f'--- gpuctld ({_machine.status()}) says:\n{_machine.log_text()}--- end', flush=True)

    def restart_with_domains(self, node):
        """gpuctld asks libvirt's test driver from now on, whose machine is this XML."""
        self.machine.stop()
        file = WORK / 'node.xml'
        file.write_text(node)
        self.machine.libvirt = f'test://{file}'
        self.addCleanup(delattr, self.machine, 'libvirt')
        self.machine.start()

    def client(self, user='root'):
        client = self.machine.client(user)
        self.clients.append(client)
        return client

    # --- what a test may claim about the machine -----------------------------------------------------------------------
    def assert_drivers(self, **drivers):
        """assert_drivers(gpu='nvidia', audio='snd_hda_intel')"""
        functions = self.machine.functions()
        addresses = {'gpu': '0000:01:00.0', 'audio': '0000:01:00.1'}
        for name, driver in drivers.items():
            self.assertEqual(functions[addresses[name]]['driver'], driver, name)

    def assert_untouched(self):
        self.assertEqual(self.machine.writes(), [], 'nothing may be written')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')

    def settle(self):
        """Whole on one side, by the daemon's own doing."""
        def whole():
            drivers = {a: f['driver'] for a, f in self.machine.functions().items() if a.startswith('0000:01:00')}
            return set(drivers.values()) == {'vfio-pci'} or drivers == {'0000:01:00.0': 'nvidia',
                                                                        '0000:01:00.1': 'snd_hda_intel'}
        until(whole, 15, f'a GPU whole on one side, now {self.machine.functions()}')
