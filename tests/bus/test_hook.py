# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt's hook asks for when a domain starts, and what the domain's definition says beside its GPU."""
import unittest

from case import BusTest
from machine import ROOT, SERVICE, until

UUID = '5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab'
GPU_FUNCTIONS = ['01:00.0', '01:00.1']
NEIGHBOUR, NEIGHBOUR_ADDRESS = '01:00.2', '0000:01:00.2'


def hostdev(function, managed):
    bus, slot, number = function.replace('.', ':').split(':')
    return (f'<hostdev mode="subsystem" type="pci" managed="{managed}"><source><address domain="0x0000" bus="0x{bus}" '
            f'slot="0x{slot}" function="0x{number}"/></source></hostdev>')


def domain(**functions):
    """domain(no=['01:00.0'], yes=['00:14.0']): as libvirt gives it to its hook."""
    devices = ''.join(hostdev(f, managed) for managed, listed in functions.items() for f in listed)
    return (f'<domain type="kvm"><name>win11</name><uuid>{UUID}</uuid><memory>1000000</memory>'
            f'<os><type arch="x86_64" machine="q35">hvm</type></os><devices>{devices}</devices></domain>')


def node(state=1, devices=''):
    """A machine of libvirt's test driver; 1: the domain runs, 5: it is shut off."""
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

    def ends(self):
        root = self.client()
        root.bus.call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'ReleaseDomain', 'ss', ['win11', domain()])
        until(lambda: root.state() == 'host', what='the GPU at home')


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


if __name__ == '__main__':
    unittest.main()
