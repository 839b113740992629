"""
Which findings count: those of bytes whose life has ended.

What goes through a mapping lies in the clear for as long as the mapping is live: under SEV that is how DMA works, and
an attacker sees all that comes later anyway. So no byte is a leak where the device reaches it through a live mapping,
which Map opens before it returns; once the mapping has ended, or ExitBootServices has returned success, every copy is
one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sevconf.monitors.leak import Leak, explain
from sevconf.trace import Dumped, Exposed, Finding, MappingEnded, MappingMade, Phase, ServiceCall, Trace

_MAP = frozenset({"PciIo.Map", "IoMmu.Map"})


@dataclass(frozen=True, slots=True)
class _Life:
    """Bytes from `start` to before `end` that a device reaches behind step `born`, until step `ended` (None: never)."""

    start: int
    end: int
    born: int
    ended: int | None

    def holds(self, step: int) -> bool:
        """Tell whether they are live once that step has had its effect."""
        return self.born <= step and (self.ended is None or step < self.ended)


def _lives(trace: Trace) -> list[_Life]:
    gone = trace.phase(Phase.SERVICES_GONE)
    ended = {entry.mapping: entry.step for entry in reversed(list(trace.of(MappingEnded)))}
    found = []
    for made in trace.of(MappingMade):
        calls = [e.step for e in trace.enclosing(made) if isinstance(e, ServiceCall) and e.service in _MAP]
        ends = [step for step in (ended.get(made.mapping), gone.step if gone else None) if step is not None]
        born = min(calls, default=made.step)
        found.append(_Life(made.device, made.device + made.length, born, min(ends, default=None)))
    return found


def _is_live(lives: Sequence[_Life], step: int, finding: Finding) -> bool:
    """Tell whether every byte of a finding lies in mappings that are live behind that step."""
    at, end = int(finding.gpa), finding.gpa + finding.length
    for life in sorted((life for life in lives if life.holds(step)), key=lambda life: life.start):
        if life.start <= at:
            at = max(at, life.end)
    return at >= end


def leaks_after_life(trace: Trace, dump: Dumped) -> Iterator[Leak]:
    """Explain the findings of a dump that no mapping, live at that moment, excuses."""
    lives = _lives(trace)
    return (
        explain(trace, dump.step, finding) for finding in dump.findings if not _is_live(lives, dump.step - 1, finding)
    )


def leaks_at_any_step(trace: Trace) -> Iterator[Leak]:
    """Explain what an attacker who looks after every step finds and no live mapping excuses, first steps first."""
    lives = _lives(trace)
    turns = {life.born for life in lives} | {life.ended for life in lives}
    findings: tuple[Finding, ...] = ()
    leaking: tuple[Finding, ...] | None = ()
    for entry in trace:
        if isinstance(entry, Exposed):
            findings = entry.findings
        step = entry.step
        if isinstance(entry, Exposed) or step in turns:
            leaking = None
        following = trace.at(step + 1) if step < len(trace) else None
        if not isinstance(following, Exposed):
            if leaking is None:
                leaking = tuple(found for found in findings if not _is_live(lives, step, found))
            yield from (explain(trace, step, found) for found in leaking)
