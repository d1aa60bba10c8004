# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the benchmark's table: one piece of work, ours and theirs, taken in turns in one run."""
import dataclasses
import json
import os
import statistics
import sys
import time

SLOW = 5000  # milliseconds: what takes longer is measured once


@dataclasses.dataclass
class Row:
    """SAMPLES: {tool: [value, ...]}, in UNIT, no value where the tool is not there. The first tool is gpuctl.
    GOALS: (id, tool or None, factor or limit)."""
    work: str
    unit: str
    samples: dict
    goals: list = dataclasses.field(default_factory=list)

    def median(self, tool):
        return statistics.median(self.samples[tool])

    def verdicts(self):
        """[(goal, what was measured, reached), ...]: at most FACTOR times TOOL, or at most LIMIT where no tool is named;
        a negative limit is a least value. Reached is None where there is nothing to compare with."""
        if not next(iter(self.samples.values())):
            return [(goal, f'not available, goal {abs(limit)}', None) for goal, _, limit in self.goals]
        ours, found = self.median(next(iter(self.samples))), []
        for goal, tool, factor in self.goals:
            if tool is None:
                reached = ours >= -factor if factor < 0 else ours <= factor
                found.append((goal, f'{ours:.4g} {self.unit}, goal {"≥" if factor < 0 else "≤"} {abs(factor)}', reached))
            elif self.samples[tool]:
                ratio = ours / self.median(tool)
                found.append((goal, f'{ratio:.2f} × {tool}, goal ≤ {factor}', ratio <= factor))
            else:
                found.append((goal, f'{tool} not available, goal ≤ {factor} ×', None))
        return found


def spawn(command, quiet=True):
    """Milliseconds from start to end of a program that must succeed."""
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in ((0, 1, 2) if quiet else (0, 1))]
    began = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=null)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - began) * 1000
    if status:
        raise RuntimeError(f'{command} ended with {status}')
    return took


def available(name, take):
    """Its first value; nothing where that tool of others is not installed or does not work here."""
    try:
        return take()
    except (OSError, RuntimeError) as error:
        print(f'not available: {name}: {error}', file=sys.stderr, flush=True)
        return None


def in_turns(tools, runs):
    """{name: samples} of {name: function that returns a sample}: every round takes one of each. The first tool is ours and
    must work. One round before warms up; who is slow in it has had his only one."""
    ours, *_ = tools
    first = {name: take() if name == ours else available(name, take) for name, take in tools.items()}
    slow = {name for name, value in first.items() if value and value > SLOW and name != ours}
    samples = {name: [first[name]] if name in slow else [] for name in tools}
    for _ in range(runs):
        for name, take in tools.items():
            if first[name] is not None and name not in slow:
                samples[name].append(take())
    return samples


def figure(values):
    """'12.3 (11.9–13.0)'"""
    if not values:
        return 'not available'

    def short(value):
        return f'{value:.0f}' if value >= 1000 else f'{value:.3g}'
    return f'{short(statistics.median(values))} ({short(min(values))}–{short(max(values))})'


def markdown(rows, about):
    lines = [f'{about}\n', '| work | unit | ours | theirs | goal | reached |', '| --- | --- | --- | --- | --- | --- |']
    for row in rows:
        first, *others = row.samples.items()
        theirs = ' · '.join(f'{tool} {figure(values)}' for tool, values in others)
        verdicts = row.verdicts()
        goals = '; '.join(f'{goal}: {text}' for goal, text, _ in verdicts)
        reached = ', '.join({True: 'yes', False: '**no**', None: 'not measured'}[yes] for *_, yes in verdicts)
        lines.append(f'| {row.work} | {row.unit} | {figure(first[1])} | {theirs} | {goals} | {reached} |')
    return '\n'.join(lines) + '\n'


def as_json(rows, about):
    return json.dumps({'about': about, 'rows': [
        {'work': row.work, 'unit': row.unit, 'samples': row.samples,
         'goals': [{'goal': goal, 'measured': text, 'reached': yes} for goal, text, yes in row.verdicts()]}
        for row in rows]}, indent=1, ensure_ascii=False)
