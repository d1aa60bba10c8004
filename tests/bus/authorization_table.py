# SPDX-License-Identifier: GPL-2.0-or-later
"""The authorization matrix as one table: what guards each call, who the callers are, and what polkit may be like."""
import dataclasses

from dbus_wire import Variant
from machine import GPU, MANAGER, OPERATION, ROOT

VMS, HOST = 'org.gpuctl1.Vms', 'org.gpuctl1.Host'
CARD = {'HERE': '0000:01:00.0', 'AWAY': '0000:03:00.0'}  # on the host's drivers, and on VFIO; they change places in the end
VM, RUNNING = 'win11', 'linux'
DOMAIN = '''<domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><test:runstate>{state}</test:runstate>
<name>{name}</name><uuid>{number}1111111-2222-3333-4444-555555555555</uuid><memory>1000000</memory>
<os><type arch="x86_64" machine="q35">hvm</type></os><devices><controller type="pci" model="pcie-root"/>{ports}</devices></domain>'''
PORTS = '<controller type="pci" model="pcie-root-port"/>' * 2
DOMAINS = (f'<node>{DOMAIN.format(name=VM, number=1, state=5, ports="")}'
           f'{DOMAIN.format(name=RUNNING, number=2, state=1, ports=PORTS)}</node>')
EMPTY_DOMAIN = '<domain type="kvm"/>'

READ, ROOT_ONLY = 'read', 'root only'
# Cancel needs an operation that runs and is guarded by who has started it: tests of its own, with these callers and states.
WITHOUT_A_ROW = {f'{OPERATION}.Cancel'}

# root; nobody's and an ordinary user's processes outside of sessions; members of the group that a rule allows; one that a rule
# denies; a local active session, one by ssh, a service with DynamicUser=
CALLERS = ['root', 'alice', 'bob', 'mallory', 'nobody', 'ann', 'sid', 'dynamic']
ACTIVE, STARTER = 'ann', 'bob'
# as Machine.policy knows them. That every default in the policy is auth_admin is lint's to see: 'defaults' is 'auth_admin'.
POLICIES = ['rules', 'defaults', 'yes', 'no', 'active', 'missing', 'dead', 'frozen']
SILENT = ('missing', 'dead', 'frozen')


@dataclasses.dataclass(frozen=True)
class Row:
    """One call. Guard: the polkit actions that are all needed, or one of the words above. `errors`: what else may come of it
    where it is allowed; nothing else may."""
    member: str
    guard: object
    path: str
    signature: str
    arguments: list
    option: str = ''
    errors: tuple = ()

    def call(self, card):
        """(path, interface, name, signature, arguments) with the cards that are here and away now."""
        interface, name = self.member.rsplit('.', 1)
        path = f'{ROOT}/gpus/{card[self.path][:-2].replace(":", "_")}' if self.path in card else self.path
        return path, interface, name, self.signature, [card.get(a, a) if isinstance(a, str) else a for a in self.arguments]

    @property
    def moves(self):
        return self.member.endswith(('.Attach', '.Release'))


@dataclasses.dataclass(frozen=True)
class Option:
    """What differs from the call without it."""
    value: object
    guard: object = None
    arguments: tuple = ()
    errors: tuple = ()


def rows(interface, name, guard, signature='', *arguments, path=ROOT, options=None, quiet=True, errors=()):
    """The call as it is, and once with each option: {name: value} or {name: Option}."""
    head = {'interactive': Variant('b', False)} if quiet else {}
    takes = signature.endswith('a{sv}')
    row = Row(f'{interface}.{name}', guard, path, signature, [*arguments, head] if takes else [*arguments], errors=errors)
    found = [row]
    for option, said in (options or {}).items():
        case = said if isinstance(said, Option) else Option(said)
        variant = Variant('s' if isinstance(case.value, str) else 'b', case.value)
        found.append(dataclasses.replace(row, option=option, guard=case.guard or guard, errors=case.errors,
                                         arguments=[*(case.arguments or arguments), {**head, option: variant}]))
    return found


def of_vms(*before):
    """live is about a VM that runs, into which libvirt's test driver plugs nothing, start about one that does not."""
    return {'live': Option(True, arguments=(*before, RUNNING), errors=('KernelRefused',)), 'start': Option(True, arguments=(*before, VM))}


FORCED_ATTACH, FORCED_RELEASE = Option(True, ('attach', 'force')), Option(True, ('release', 'force'))
ATTACH = {'force': FORCED_ATTACH, 'keep': True}
RELEASE = {'live': True, 'force': FORCED_RELEASE, 'reset': FORCED_RELEASE, 'rescan': FORCED_RELEASE}
LOOK = {'force': True, 'keep': True}
# libvirt's test driver forgets what is QEMU's, and there is no card in the VM that the ROM could be for
SETUP = {'dry-run': Option(True, READ), 'gpu': CARD['HERE'], 'looking-glass': '1920x1080', 'transport': 'shmem',
         'rom': Option('', errors=('InvalidArgument',)), 'battery': Option(True, errors=('KernelRefused',))}
ARGUMENTS = {'passthrough': Option(True, errors=('NotSupported',)), 'drop-vfio-ids': True}  # no boot loader, on some machines
NOTHING_SET_UP = ('NotFound', 'Blocked')  # libvirt's test driver forgets with each connection what was defined

TABLE = [
    *rows(MANAGER, 'Attach', ('attach',), 'ssa{sv}', 'HERE', '', options={**ATTACH, **of_vms('HERE')}),
    *rows(MANAGER, 'Release', ('release',), 'sa{sv}', 'AWAY', options=RELEASE),
    *rows(MANAGER, 'Check', READ, 'ssa{sv}', 'HERE', '', options={**LOOK, **of_vms('HERE'), 'verb': 'attach'}),
    *rows(MANAGER, 'Plan', READ, 'sssa{sv}', 'attach', 'HERE', '', options={**LOOK, **of_vms('attach', 'HERE')}),
    *rows(MANAGER, 'Diagnose', READ),
    *rows(MANAGER, 'ListUsers', READ, 's', 'HERE'),
    *rows(MANAGER, 'ListVms', READ),
    *rows(MANAGER, 'ReadRom', ('attach',), 'sa{sv}', '0000:00:02.0'),
    *rows(MANAGER, 'Inhibit', READ, 'ss', 'test', 'a test'),
    *rows(GPU, 'Attach', ('attach',), 'sa{sv}', '', path='HERE', options={**ATTACH, **of_vms()}),
    *rows(GPU, 'Release', ('release',), 'a{sv}', path='AWAY', options=RELEASE),
    *rows(VMS, 'CheckVm', READ, 'sa{sv}', VM, options={'gpu': CARD['HERE']}),
    *rows(VMS, 'CheckLookingGlass', READ, 'sa{sv}', VM),
    *rows(VMS, 'SetupVm', ('configure',), 'sa{sv}', VM, options=SETUP),
    *rows(VMS, 'UndoVm', ('configure',), 'sa{sv}', VM, options={'dry-run': Option(True, READ, errors=NOTHING_SET_UP)},
          errors=NOTHING_SET_UP),
    *rows(VMS, 'PrepareDomain', ROOT_ONLY, 'ssa{sv}', 'other', EMPTY_DOMAIN, quiet=False),
    *rows(VMS, 'ReleaseDomain', ROOT_ONLY, 'ss', 'other', EMPTY_DOMAIN),
    *rows(HOST, 'KernelArguments', READ),
    *rows(HOST, 'PlanKernelArguments', READ, 'a{sv}', options=ARGUMENTS),
    *rows(HOST, 'EnableKernelArguments', ('configure',), 'a{sv}', options=ARGUMENTS),
    *rows(HOST, 'UndoKernelArguments', ('configure',), 'a{sv}'),
    *rows(HOST, 'BootPolicies', READ),
    *rows(HOST, 'SetBootPolicy', ('configure',), 'ssa{sv}', 'HERE', 'host', options={'migrate': True}),
    *rows(HOST, 'ConfirmBootPolicy', ('configure',), 'sa{sv}', 'HERE'),
    *rows(HOST, 'ApplyBootPolicy', ROOT_ONLY, 'a{sv}'),
    *rows(HOST, 'Report', READ, 'a{sv}', quiet=False),
]
GUARDED = [row for row in TABLE if row.guard not in (READ, ROOT_ONLY)]


def is_allowed(policy, caller, guard):
    if guard == READ:
        return True
    if guard == ROOT_ONLY:
        return caller == 'root'
    if policy in SILENT:
        return False
    if caller == 'root' or policy == 'yes':
        return True
    if policy == 'active':
        return caller == ACTIVE
    return policy == 'rules' and caller == 'bob' and not {'force', 'configure'} & set(guard)


def refused(policy, caller):
    """The calls that CALLER may not make. polkit's silence takes its time: once a member."""
    return [row for row in TABLE if not is_allowed(policy, caller, row.guard) and (policy != 'frozen' or not row.option)]


def granted(policy, caller):
    """The calls that it may: each set of actions once, and with every option where the session decides."""
    return [row for row in GUARDED if is_allowed(policy, caller, row.guard) and
            (policy == 'active' or row.option in ('', 'force'))]


def reads(policy, caller):
    return [row for row in TABLE if row.guard == READ and (caller == 'nobody' or not row.option)]
