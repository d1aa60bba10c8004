# SPDX-License-Identifier: GPL-2.0-or-later
"""What the packages do about GPUs and VMs before gpuctl goes: their scripts' functions, with gpuctl and the bus played."""
import pathlib
import subprocess
import tempfile
import unittest

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / 'systemd-units' / 'packaging'
# As each script is called for an upgrade, which does nothing: its functions are there then.
SCRIPTS = {'debian/prerm': 'upgrade', 'rpm/preun': '1'}
ADDRESSES = {'0000_01_00': '0000:01:00.0', '0000_02_00': '0000:02:00.0'}
BUSCTL = '''#!/bin/sh
case $* in
    *tree*) cd "$GPUS" && for gpu in *; do echo "/org/gpuctl1/gpus/$gpu"; done ;;
    *) echo "s \\"$(cat "$GPUS/${3##*/}/$5")\\"" ;;
esac
'''
GPUCTL = '''#!/bin/sh
echo "$*" >> "$GPUS/../calls"
exit "${RELEASE:-0}"
'''


class Scripts(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = pathlib.Path(directory.name)
        for name, text in (('busctl', BUSCTL), ('gpuctl', GPUCTL)):
            (self.work / name).write_text(text)
            (self.work / name).chmod(0o755)

    def gpu(self, name, state, vm=''):
        directory = self.work / 'gpus' / name
        directory.mkdir(parents=True, exist_ok=True)
        for key, value in (('State', state), ('Vm', vm), ('Address', ADDRESSES[name])):
            (directory / key).write_text(value)

    def run_function(self, script, call, release=0):
        (self.work / 'calls').write_text('')
        command = f'set -- {SCRIPTS[script]}; . {PACKAGING / script}; set -e; {call}'
        environment = {'PATH': f'{self.work}:/usr/bin:/bin', 'GPUS': str(self.work / 'gpus'), 'RELEASE': str(release)}
        done = subprocess.run(['sh', '-c', command], env=environment, capture_output=True, text=True, check=True)
        return (self.work / 'calls').read_text().splitlines(), done.stderr

    def each(self):
        for script in SCRIPTS:
            with self.subTest(script):
                yield script

    def test_what_is_away_and_what_waits_in_a_definition_is_released(self):
        for script in self.each():
            for state, vm, released in (('host', '', False), ('changing', '', False), ('host', 'win 11', True),
                                        ('vm', 'win 11', True), ('mixed', 'win 11', True), ('unbound', '', False)):
                self.gpu('0000_01_00', state, vm)
                self.gpu('0000_02_00', 'host')
                calls, said = self.run_function(script, 'give_back /nonexistent /nonexistent /nonexistent')
                self.assertEqual(calls, ['release 0000:01:00.0'] if released else [], (state, vm))
                self.assertEqual(said, '')

    def test_what_another_set_up_has_brought_to_vfio_stays_there(self):
        self.gpu('0000_01_00', 'vm')
        self.gpu('0000_02_00', 'mixed')
        (self.work / 'records').mkdir()
        (self.work / 'records' / '0000:02:00').write_text('')
        policies = self.work / 'boot-policy.json'
        for script in self.each():
            policies.write_text('')
            calls, said = self.run_function(script, f'give_back {self.work}/records {policies} {self.work}')
            self.assertEqual(calls, ['release 0000:02:00.0'])
            self.assertEqual(said, 'gpuctl: 0000:01:00.0 stays with vfio-pci, where another set-up has brought it\n')
            (self.work / '+pci:0000:01:00.0').write_text('I:4711\nE:GPUCTL_BOOT=vm\n')
            self.assertEqual(len(self.run_function(script, f'give_back {self.work}/records {policies} {self.work}')[0]), 2)
            (self.work / '+pci:0000:01:00.0').unlink()
            policies.write_text('{"policies": [{"gpu": "0000:01:00.0", "side": "vm"}]}')
            calls, said = self.run_function(script, f'give_back {self.work}/records {policies} {self.work}')
            self.assertEqual(calls, ['release 0000:01:00.0', 'release 0000:02:00.0'])
            self.assertEqual(said, '')

    def test_without_the_daemon_what_is_away_is_named(self):
        for slot, driver in (('0000:01:00', 'vfio-pci'), ('0000:02:00', 'nvidia')):
            device = self.work / 'devices' / f'{slot}.0'
            device.mkdir(parents=True)
            (device / 'driver').symlink_to(f'../../drivers/{driver}')
            (self.work / 'records').mkdir(exist_ok=True)
            (self.work / 'records' / slot).write_text('')
        for script in self.each():
            said = self.run_function(script, f'name_away {self.work}/records {self.work}/devices')[1]
            self.assertIn('0000:01:00.0 stays with vfio-pci', said)
            self.assertNotIn('0000:02:00.0', said)
            self.assertEqual(self.run_function(script, f'name_away /nonexistent {self.work}/devices')[1], '')

    def test_what_lost_its_driver_on_the_way_home_is_released(self):
        self.gpu('0000_01_00', 'unbound')
        self.gpu('0000_02_00', 'unbound')
        (self.work / 'records').mkdir()
        (self.work / 'records' / '0000:02:00').write_text('')
        for script in self.each():
            calls, said = self.run_function(script, f'give_back {self.work}/records /nonexistent /nonexistent', release=1)
            self.assertEqual(calls, ['release 0000:02:00.0'])
            self.assertIn('0000:02:00.0 is left without a driver', said)
            self.assertNotIn('vfio-pci', said)

    def test_what_cannot_be_released_is_told_by_where_it_is(self):
        for script in self.each():
            self.gpu('0000_01_00', 'host', 'win11')
            self.gpu('0000_02_00', 'vm', 'win11')
            calls, said = self.run_function(script, 'give_back /nonexistent /nonexistent /nonexistent', release=3)
            self.assertEqual(len(calls), 2)
            self.assertIn('win11 cannot start while 0000:01:00.0 is in its definition', said)
            self.assertIn('virsh edit win11', said)
            self.assertIn('0000:02:00.0 stays with vfio-pci', said)
            self.assertNotIn('0000:01:00.0 stays', said)

    def test_vms_that_read_gpuctls_files_are_named(self):
        definitions = self.work / 'qemu'
        definitions.mkdir()
        for name, text in {
                'battery': "<qemu:arg value='file=/usr/share/qemu/gpuctl-battery.aml'/>",
                'with rom': "<hostdev>\n <rom bar='on' file='/var/lib/gpuctl/rom/0000:01:00.0.rom'/>\n</hostdev>",
                'remembers': "<gpuctl:rom function='0000:01:00.0' file='/var/lib/gpuctl/rom/0000:01:00.0.rom'/>",
                'other': "<rom file='/srv/card.rom'/>"}.items():
            (definitions / f'{name}.xml').write_text(f'<domain>{text}</domain>')
        for script in self.each():
            said = self.run_function(script, f'name_readers {definitions}')[1].splitlines()
            self.assertEqual([line.split(' reads ')[0] for line in said], ['gpuctl: battery', 'gpuctl: with rom'])
            self.assertEqual(self.run_function(script, f'name_readers {definitions}/none')[1], '')

    def test_what_is_left_for_the_boot_is_named_with_the_tools_that_take_it_out(self):
        root = self.work / 'root'
        left = [root / name for name in ('etc/udev/rules.d/61-gpuctl-boot.rules', 'etc/dracut.conf.d/90-gpuctl.conf')]
        for path in left:
            path.parent.mkdir(parents=True)
            path.write_text('')
        for tool in ('update-initramfs', 'dracut', 'update-grub'):
            (self.work / tool).write_text('')
            (self.work / tool).chmod(0o755)
        for script in self.each():
            said = self.run_function(script, f'name_left {root}')[1].splitlines()
            self.assertEqual(said[1:], [f'  rm {path}' for path in left] + ['  update-initramfs -u -k all', '  update-grub'])


if __name__ == '__main__':
    unittest.main()
