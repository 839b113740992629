"""
Leaks: plaintext that an attacker finds, told by who wrote it last and which mapping it went through.

The life of DMA data ends when its mapping is unmapped, or when ExitBootServices has returned success.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.trace import Dma, Dumped, Entry, Finding, GuestAccess, MappingEnded, MappingMade, Phase, Trace, describe


@dataclass(frozen=True, slots=True)
class Leak:
    """A finding as a proof: words, and the steps behind them."""

    observed: str
    steps: tuple[int, ...]


def last_write(trace: Trace, gpa: int, *, before: int) -> Entry | None:
    """Return the newest entry that wrote the byte at `gpa` before step `before`: the guest's, or a device's."""
    for step in range(min(before, len(trace) + 1) - 1, 0, -1):
        entry = trace.at(step)
        if isinstance(entry, GuestAccess) and entry.write and entry.gpa <= gpa < entry.gpa + entry.length:
            return entry
        if isinstance(entry, Dma) and entry.write and entry.address <= gpa < entry.address + entry.length:
            return entry
    return None


def _ended(trace: Trace, mapping: str, *, before: int) -> MappingEnded | None:
    return next((e for e in trace.of(MappingEnded) if e.mapping == mapping and e.step < before), None)


def explain(trace: Trace, step: int, finding: Finding) -> Leak:
    """Say what lies where at a step, who wrote it, and when its life should have ended."""
    words = [f"at step {step} {finding.length} bytes of {finding.secret} lie in plaintext at {finding.gpa:#x}"]
    steps = [step]
    writer = last_write(trace, finding.gpa, before=step)
    if writer is not None:
        words.append(f"last written at step {writer.step}: {describe(writer)}")
        steps.append(writer.step)
    for made in reversed([made for made in trace.of(MappingMade) if made.step < step]):
        if made.device <= finding.gpa < made.device + max(made.length, 1) or made.host <= finding.gpa < (
            made.host + made.length
        ):
            end = _ended(trace, made.mapping, before=step)
            gone = trace.phase(Phase.SERVICES_GONE)
            if end is not None:
                words.append(f"{made.mapping} ({made.operation}, step {made.step}) covered it and ended at {end.step}")
                steps += [made.step, end.step]
            elif gone is not None:
                words.append(f"{made.mapping} ({made.operation}, step {made.step}) covers it and was never ended")
                steps += [made.step, gone.step]
            break
    return Leak("; ".join(words), tuple(steps))


def leaks(trace: Trace, dump: Dumped) -> Iterator[Leak]:
    """Explain every finding of a dump."""
    return (explain(trace, dump.step, finding) for finding in dump.findings)


def shown_in_plaintext(trace: Trace, secret: str) -> bool:
    """Tell whether a control search saw this secret in DRAM: the fixture put it there, and a search finds it."""
    return any(f.secret == secret for dump in trace.of(Dumped) if not dump.attacker for f in dump.findings)
