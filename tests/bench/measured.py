# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the benchmark's table: one piece of work, ours and theirs, taken in turns in one run."""
import dataclasses
import json
import os
import statistics
import time


@dataclasses.dataclass
class Row:
    """SAMPLES: {tool: [value, ...]}, in UNIT. The first tool is gpuctl. GOALS: (id, tool or None, factor or limit)."""
    work: str
    unit: str
    samples: dict
    goals: list = dataclasses.field(default_factory=list)

    def median(self, tool):
        return statistics.median(self.samples[tool])

    def verdicts(self):
        """[(goal, what was measured, reached), ...]: at most FACTOR times TOOL, or at most LIMIT where no tool is named;
        a negative limit is a least value."""
        ours, found = self.median(next(iter(self.samples))), []
        for goal, tool, factor in self.goals:
            if tool is None:
                reached = ours >= -factor if factor < 0 else ours <= factor
                found.append((goal, f'{ours:.4g} {self.unit}, goal {"≥" if factor < 0 else "≤"} {abs(factor)}', reached))
            elif tool in self.samples and self.median(tool):
                ratio = ours / self.median(tool)
                found.append((goal, f'{ratio:.2f} × {tool}, goal ≤ {factor}', ratio <= factor))
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


def in_turns(tools, runs, warm_up=1):
    """{name: samples} of {name: function that returns a sample}: every round takes one of each."""
    samples = {name: [] for name in tools}
    for round_ in range(warm_up + runs):
        for name, take in tools.items():
            value = take()
            if round_ >= warm_up:
                samples[name].append(value)
    return samples


def figure(values):
    """'12.3 (11.9–13.0)'"""
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
        reached = ', '.join('yes' if yes else '**no**' for *_, yes in verdicts)
        lines.append(f'| {row.work} | {row.unit} | {figure(first[1])} | {theirs} | {goals} | {reached} |')
    return '\n'.join(lines) + '\n'


def as_json(rows, about):
    return json.dumps({'about': about, 'rows': [
        {'work': row.work, 'unit': row.unit, 'samples': row.samples,
         'goals': [{'goal': goal, 'measured': text, 'reached': yes} for goal, text, yes in row.verdicts()]}
        for row in rows]}, indent=1, ensure_ascii=False)
