# SPDX-License-Identifier: GPL-2.0-or-later
"""The DEB and the RPM: what they ask for and hold, and that they come, are renewed and go without leaving anything behind.
The emulated laptop does the same with a running system, and GPUs in use (tests/vm/cases/boot.py)."""
import os
import pathlib
import re
import subprocess
import unittest

WORK = pathlib.Path(os.environ['GPUCTL_PACKAGES'])
OLD, NEW = '1.0.0', '1.0.1'
CONFIGURATION = 'etc/gpuctl/gpuctl.toml'
HOOKS, RULES = 'etc/libvirt/hooks', 'etc/apparmor.d/abstractions/libvirt-qemu.d'
HOOK = f'{HOOKS}/qemu.d/gpuctl'
UNITS = ('gpuctld.service', 'gpuctl-boot.service')


def package(version, ending):
    return next((WORK / version).glob(f'*.{ending}'))


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def rpm_query(*options):
    return output('rpm', '-qp', *options, package(OLD, 'rpm')).splitlines()


class Root:
    """This machine's files with room to write over them, as a root directory that is not booted."""

    def __init__(self):
        self.top = WORK / 'over'
        self.top.mkdir()
        output('mount', '-t', 'tmpfs', 'tmpfs', self.top)
        for name in ('upper', 'work', 'root'):
            (self.top / name).mkdir()
        self.path = self.top / 'root'
        output('mount', '-t', 'overlay', 'overlay', '-o', f'lowerdir=/,upperdir={self.top}/upper,workdir={self.top}/work', self.path)
        for kind, place in (('proc', 'proc'), ('tmpfs', 'run'), ('tmpfs', 'tmp')):
            output('mount', '-t', kind, kind, self.path / place)
        for version in (OLD, NEW):
            for ending in ('deb', 'rpm'):
                (self.path / 'tmp' / f'{version}.{ending}').write_bytes(package(version, ending).read_bytes())

    def close(self):
        output('umount', '-R', '-l', self.top)
        self.top.rmdir()

    def run(self, *command):
        done = subprocess.run(['chroot', str(self.path), *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f'{" ".join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}')
        return done.stdout + done.stderr

    def files(self):
        """Of the system; not what package managers keep for themselves, nor caches and logs."""
        own = r'/var/(lib/(rpm|dpkg|selinux/[a-z]+/active|systemd/deb-systemd-helper-[a-z]+)|cache|log|tmp)(/|$)|/etc/(group|gshadow)-|/etc/\.pwd\.lock|/etc/\.updated'
        names = []
        for top in ('etc', 'usr', 'var'):
            listed = output('find', self.path / top, '-xdev', '-printf', f'/{top}/%P %y %l\n').splitlines()
            names += [name for name in listed if not re.match(own, name)]
        return set(names)

    def has_group(self):
        return re.search('^gpuctl:', (self.path / 'etc/group').read_text(), re.M) is not None

    def enabled(self):
        return {link.name for link in (self.path / 'etc/systemd/system').rglob('gpuctl*.service') if link.is_symlink()}


class Life(unittest.TestCase):
    def setUp(self):
        self.root = Root()
        self.addCleanup(self.root.close)

    def edit(self, file, text):
        path = self.root.path / file
        path.write_text(path.read_text() + text)

    def assert_there(self):
        for unit in UNITS:
            self.assertTrue((self.root.path / 'usr/lib/systemd/system' / unit).is_file(), unit)
        self.assertTrue(os.access(self.root.path / HOOK, os.X_OK))
        self.assertTrue(self.root.has_group())
        self.assertEqual(self.root.enabled(), set(UNITS))
        self.root.run('gpuctl', '--version')
        self.root.run('gpuctld', '--check-config')


class Rpm(Life):
    """Without the dependencies: nothing here was installed by RPM."""
    RPM = ('rpm', '--force-debian', '--dbpath', '/var/lib/rpm')

    def test_it_asks_for_packages_by_the_names_that_fedora_has(self):
        plain = [line.split()[0] for line in rpm_query('--requires') if not re.match(r'(rpmlib|lib|ld-linux|rtld)', line)]
        self.assertEqual(sorted(set(plain)), ['/bin/sh', 'config(gpuctl)', 'kmod', 'polkit', 'systemd'])
        self.assertEqual(sorted(rpm_query('--recommends')), ['hwdata', 'libvirt-daemon-driver-qemu', 'libvirt-libs'])
        self.assertNotIn('libvirt.so', ' '.join(rpm_query('--requires')))

    def test_it_owns_no_directory_of_others_but_those_that_nobody_else_has_to_have(self):
        modes = [line.split(None, 1) for line in rpm_query('--qf', '[%{FILEMODES:perms} %{FILENAMES}\n]')]
        foreign = [name for mode, name in modes if mode.startswith('d') and 'gpuctl' not in name]
        self.assertEqual(sorted(foreign), sorted([f'/{HOOKS}', f'/{HOOKS}/qemu.d', f'/{RULES}']))
        self.assertEqual([name for mode, name in modes if 's' in mode], [], 'nobody gets rights by starting a program')

    def test_what_an_administrator_may_change_is_configuration(self):
        self.assertEqual(sorted(rpm_query('-c')),
                         [f'/{RULES}/gpuctl', '/' + CONFIGURATION, '/' + HOOK])

    def test_it_comes_is_renewed_and_goes(self):
        self.root.run('mkdir', '-p', '/var/lib/rpm')
        before = self.root.files()
        self.root.run(*self.RPM, '--nodeps', '-i', '/tmp/1.0.0.rpm')
        self.assert_there()
        self.root.run(*self.RPM, '--nodeps', '-V', 'gpuctl')
        self.edit(CONFIGURATION, '# mine\n')
        self.root.run(*self.RPM, '--nodeps', '-U', '/tmp/1.0.1.rpm')
        self.assert_there()
        self.assertTrue((self.root.path / CONFIGURATION).read_text().endswith('# mine\n'))
        self.assertIn('1.0.1', self.root.run(*self.RPM, '-q', 'gpuctl'))
        self.root.run(*self.RPM, '-e', 'gpuctl')
        left = self.root.files() - before
        self.assertEqual({line.split()[0] for line in left}, {'/etc/gpuctl', f'/{CONFIGURATION}.rpmsave'})
        self.assertEqual(before - self.root.files(), set())


class Deb(Life):
    def test_it_asks_for_what_debian_has(self):
        wanted = {part.split()[0] for part in output('dpkg-deb', '-f', package(OLD, 'deb'), 'Depends').split(',')}
        self.assertLessEqual({'polkitd', 'systemd', 'kmod', 'init-system-helpers', 'default-dbus-system-bus'}, wanted)
        self.assertNotIn('libvirt0', wanted)
        for name in wanted:
            self.assertTrue(output('apt-cache', 'showpkg', name), name)

    def test_it_comes_is_renewed_and_goes(self):
        before = self.root.files()
        self.root.run('dpkg', '--force-depends', '-i', '/tmp/1.0.0.deb')
        self.assert_there()
        self.edit(CONFIGURATION, '# mine\n')
        self.root.run('dpkg', '--force-depends', '-i', '/tmp/1.0.1.deb')
        self.assert_there()
        self.assertTrue((self.root.path / CONFIGURATION).read_text().endswith('# mine\n'))
        self.root.run('dpkg', '--remove', 'gpuctl')
        self.assertTrue((self.root.path / CONFIGURATION).exists())
        self.root.run('dpkg', '--purge', 'gpuctl')
        self.assertEqual(self.root.files() ^ before, set())
        self.assertFalse(self.root.has_group())


if __name__ == '__main__':
    unittest.main()
