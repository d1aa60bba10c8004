# SPDX-License-Identifier: GPL-2.0-or-later
"""What the running daemon exports is what dbus-interfaces/*.xml says, no more and no less."""
import unittest
import xml.etree.ElementTree as ElementTree

from case import BusTest
from machine import GPU, GROUP, MANAGER, OPERATION, ROOT, SERVICE, SOURCE

STANDARD = 'org.freedesktop.DBus.'


def members(interface):
    """{'method Attach': [('vm', 's', 'in'), ...], ...} of an <interface> element."""
    found = {}
    for element in interface:
        name = f'{element.tag} {element.get("name")}'
        if element.tag in ('method', 'signal'):
            default = 'in' if element.tag == 'method' else None
            found[name] = [(a.get('name'), a.get('type'), a.get('direction', default)) for a in element.findall('arg')]
        elif element.tag == 'property':
            emits = [a.get('value') for a in element.findall('annotation')
                     if a.get('name') == 'org.freedesktop.DBus.Property.EmitsChangedSignal']
            found[name] = [(element.get('type'), element.get('access'), emits[0] if emits else 'true')]
    return found


def interfaces(text):
    root = ElementTree.fromstring(text)
    return {i.get('name'): members(i) for i in root.findall('interface') if not i.get('name').startswith(STANDARD)}


def documented():
    found = {}
    for path in (SOURCE / 'dbus-interfaces').glob('*.xml'):
        found.update(interfaces(path.read_text()))
    return found


class Contract(BusTest):
    def exported(self, path):
        text = self.client().bus.call(SERVICE, path, 'org.freedesktop.DBus.Introspectable', 'Introspect')[0]
        return interfaces(text)

    def test_every_interface_is_exported_as_documented(self):
        client = self.client()
        operation = client.attach('0000:01:00.0')
        paths = [ROOT, *client.objects(), operation]
        exported = {}
        for path in paths:
            exported.update(self.exported(path))
        self.maxDiff = None
        self.assertEqual(exported, documented())
        client.finish(operation)

    def test_managed_objects_hold_the_same_as_the_objects_themselves(self):
        client = self.client()
        for path, held in client.objects().items():
            for interface, properties in held.items():
                if interface.startswith(STANDARD):
                    continue
                own = client.properties(path, interface)
                self.assertEqual({k: v.value for k, v in properties.items()}, own, f'{path} {interface}')

    def test_objects_are_there_when_the_name_is(self):
        self.machine.stop()
        watcher = self.client()
        watcher.bus.listen("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.gpuctl1'")
        self.machine.start()
        watcher.bus.wait(lambda: watcher.bus.signals, 10, 'the name')
        self.assertIn('/org/gpuctl1/gpus/0000_01_00', watcher.objects())

    def test_the_laptop_is_shown_as_it_is(self):
        client = self.client('nobody')
        self.assertEqual(client.gpus(), ['/org/gpuctl1/gpus/0000_00_02', '/org/gpuctl1/gpus/0000_01_00'])
        gpu = client.properties('/org/gpuctl1/gpus/0000_01_00', GPU)
        self.assertEqual(gpu['Address'], '0000:01:00.0')
        self.assertEqual(gpu['State'], 'host')
        self.assertEqual(gpu['IommuGroup'], '/org/gpuctl1/groups/15')
        self.assertFalse(gpu['BootDisplay'])
        self.assertEqual([(f[0], f[1], f[2], f[3], f[4]) for f in gpu['Functions']],
                         [('0000:01:00.0', '0300', '10de:25a0', '1043:1ccc', 'nvidia'),
                          ('0000:01:00.1', '0403', '10de:2291', '1043:1ccc', 'snd_hda_intel')])
        group = client.properties('/org/gpuctl1/groups/15', GROUP)
        self.assertEqual([f[0] for f in group['Devices']], ['0000:01:00.0', '0000:01:00.1'])
        self.assertTrue(group['Isolated'])
        manager = client.properties(ROOT, MANAGER)
        self.assertEqual((manager['Iommu'], manager['Busy']), ('intel', False))
        self.assert_untouched()

    def test_properties_change_with_one_signal_for_a_set(self):
        client = self.client()
        gpu = '/org/gpuctl1/gpus/0000_01_00'
        client.finish(client.attach('0000:01:00.0'))
        client.bus.wait(lambda: client.state(gpu) == 'vm', 10, 'the new state')
        changes = [s for s in client.bus.signals if s.path == gpu and s.member == 'PropertiesChanged']
        self.assertTrue(changes)
        self.assertEqual(changes[-1].body[0], GPU)
        states = [c.body[1]['State'].value for c in changes if 'State' in c.body[1]]
        self.assertEqual(states[-1], 'vm')
        self.assertIn('changing', states)
        self.assertEqual(len(states), len([s for i, s in enumerate(states) if i == 0 or states[i - 1] != s]),
                         f'a signal without a change: {states}')

    def test_an_operation_shows_its_steps_and_ends_with_a_signal(self):
        client = self.client()
        operation = client.attach('0000:01:00.0')
        state, error, _ = client.finish(operation)
        self.assertEqual((state, error), ('succeeded', ''))
        shown = client.properties(operation, OPERATION)
        self.assertEqual((shown['Kind'], shown['Gpu'], shown['StartedBy']), ('attach', '/org/gpuctl1/gpus/0000_01_00', 0))
        self.assertEqual(shown['Step'], len(shown['Steps']))
        self.assertEqual({step[3] for step in shown['Steps']}, {'done'})
        client.bus.wait(lambda: any(s.member == 'Finished' and s.path == operation for s in client.bus.signals), 10,
                        'Finished')
        self.assertIn(operation, client.objects(), 'finished operations stay listed')

    def test_a_plan_is_what_attach_then_does(self):
        client = self.client('alice')
        plan = client.manager('Plan', 'sssa{sv}', 'attach', '0000:01:00.0', '', {})[0]
        self.assert_untouched()
        done = self.client()
        operation = done.attach('0000:01:00.0')
        done.finish(operation)
        steps = done.get(operation, OPERATION, 'Steps')
        self.assertEqual([tuple(step[:3]) for step in steps], [tuple(step) for step in plan])


if __name__ == '__main__':
    unittest.main()
