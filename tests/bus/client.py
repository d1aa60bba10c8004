# SPDX-License-Identifier: GPL-2.0-or-later
"""gpuctl's bus interface in the words of the tests."""
import time

from dbus_wire import DBusError, Variant

SERVICE, ROOT, MANAGER = 'org.gpuctl1', '/org/gpuctl1', 'org.gpuctl1.Manager'
GPU, OPERATION, GROUP = 'org.gpuctl1.Gpu', 'org.gpuctl1.Operation', 'org.gpuctl1.IommuGroup'
PROPERTIES, OBJECT_MANAGER = 'org.freedesktop.DBus.Properties', 'org.freedesktop.DBus.ObjectManager'


class Client:
    """One user's connection."""

    def __init__(self, bus):
        self.bus = bus
        bus.listen(f"type='signal',sender='{SERVICE}'")

    def close(self):
        self.bus.close()

    def manager(self, member, signature='', *args, timeout=30):
        return self.bus.call(SERVICE, ROOT, MANAGER, member, signature, args, timeout)

    def attach(self, gpu='', vm='', timeout=30, **options):
        return self.manager('Attach', 'ssa{sv}', gpu, vm, dict_of(options), timeout=timeout)[0]

    def release(self, gpu='', timeout=30, **options):
        return self.manager('Release', 'sa{sv}', gpu, dict_of(options), timeout=timeout)[0]

    def cancel(self, operation, timeout=30):
        return self.bus.call(SERVICE, operation, OPERATION, 'Cancel', timeout=timeout)

    def get(self, path, interface, name):
        return self.bus.call(SERVICE, path, PROPERTIES, 'Get', 'ss', [interface, name])[0].value

    def properties(self, path, interface):
        return {k: v.value for k, v in self.bus.call(SERVICE, path, PROPERTIES, 'GetAll', 's', [interface])[0].items()}

    def objects(self):
        return self.bus.call(SERVICE, ROOT, OBJECT_MANAGER, 'GetManagedObjects')[0]

    def gpus(self):
        return sorted(path for path, interfaces in self.objects().items() if GPU in interfaces)

    def state(self, path='/org/gpuctl1/gpus/0000_01_00'):
        return self.get(path, GPU, 'State')

    def finish(self, operation, timeout=30):
        """(state, error, message) of the operation when it has ended. Subscribed since connect: nothing is missed."""
        def ended():
            return self.get(operation, OPERATION, 'State') != 'running' or any(
                s.member == 'Finished' and s.path == operation for s in self.bus.signals)
        deadline = time.monotonic() + timeout
        while not ended():
            if time.monotonic() > deadline:
                raise TimeoutError(f'{operation} still runs after {timeout} s')
            self.bus.receive(min(1.0, timeout))
        shown = self.properties(operation, OPERATION)
        return shown['State'], shown['Error'], shown['Message']

    def error(self, call, *args, **options):
        """The name of the error that the call gives, without the common prefix."""
        try:
            call(*args, **options)
        except DBusError as e:
            self.last_message = e.message
            return e.name.removeprefix('org.gpuctl1.Error.').removeprefix('org.freedesktop.DBus.Error.')
        return None


def dict_of(options):
    return {key: value if isinstance(value, Variant) else Variant('b', value) for key, value in options.items()}

