# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the machine that is the real polkitd, in the states that tests want."""
import pathlib
import signal

from dbus_wire import Bus
from places import SOURCE, until

POLICY = pathlib.Path('/usr/share/polkit-1/actions/org.gpuctl1.policy')
RULES = pathlib.Path('/etc/polkit-1/rules.d')
NAME = 'org.freedesktop.PolicyKit1'
DENY_MALLORY = '''polkit.addRule(function(action, subject) {
  if (action.id.indexOf("org.gpuctl1.") == 0 && subject.user == "mallory") return polkit.Result.NO;
});
'''
ALL = ('any', 'inactive', 'active')
# state: the defaults that differ from what is shipped, and what they are then
DEFAULTS = {'yes': (ALL, 'yes'), 'no': (ALL, 'no'), 'active': (('active',), 'yes')}


def policy_text(state):
    text = (SOURCE / 'polkit/org.gpuctl1.policy').read_text()
    kinds, verdict = DEFAULTS.get(state, ((), ''))
    for kind in kinds:
        before, text = text, text.replace(f'<allow_{kind}>auth_admin<', f'<allow_{kind}>{verdict}<')
        if before == text:
            raise ValueError(f'the policy has no allow_{kind} that is auth_admin')
    return text


def write(path, text):
    path.write_text(text)
    path.chmod(0o644)


class Polkit:
    polkitd = None

    def policy(self, state):
        """'rules': the example rule, and mallory denied by rule; 'defaults': no rule; 'yes', 'no': every action's defaults say
        that; 'active': yes for active sessions alone; 'missing': no gpuctl actions; 'dead': no polkitd; 'frozen': a stopped one."""
        self._stop_polkitd()
        for old in (POLICY, *RULES.glob('*gpuctl*.rules')):
            old.unlink(missing_ok=True)
        if state != 'missing':
            write(POLICY, policy_text(state))
        if state == 'rules':
            write(RULES / '50-gpuctl-mallory.rules', DENY_MALLORY)
            write(RULES / '60-gpuctl.rules', (SOURCE / 'polkit/gpuctl-group.rules.example').read_text())
        if state == 'dead':
            return
        self.polkitd = self._child(['/usr/lib/polkit-1/polkitd', '--no-debug'], 'polkit')
        until(lambda: self.root.owner(NAME), what='polkitd')
        if state == 'frozen':
            self.freeze()

    def monitor(self, *rules):
        """Sees what these rules match; without any, everything."""
        monitor = Bus()
        monitor.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus.Monitoring', 'BecomeMonitor', 'asu',
                     [rules, 0])
        return monitor

    def questions(self, member='CheckAuthorization'):
        """A monitor of the bus: its `calls` are those of this member; polkit's have the action in body[1], the details in body[2]."""
        return self.monitor(f"type='method_call',member='{member}'")

    def freeze(self):
        """polkitd as it is, but it answers nothing until thaw()."""
        self.polkitd.send_signal(signal.SIGSTOP)

    def thaw(self):
        """A frozen polkitd goes on."""
        self.polkitd.send_signal(signal.SIGCONT)

    def _stop_polkitd(self):
        if self.polkitd:
            self.polkitd.kill()
            self.polkitd.wait()
            self.polkitd = None
            until(lambda: not self.root.owner(NAME), what='the end of polkitd')
