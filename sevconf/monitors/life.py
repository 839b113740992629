"""
Which findings of a dump count: those whose life has ended.

What goes through a mapping lies in the clear for as long as the mapping is live: under SEV that is how DMA works, and
an attacker sees all that comes later anyway. So no byte is a leak where the device reaches it through a live mapping;
once the mapping has ended, or ExitBootServices has returned success, every copy is one.
"""

from collections.abc import Iterator

from sevconf.monitors.leak import Leak, explain
from sevconf.trace import Dumped, Finding, MappingEnded, MappingMade, Phase, Trace


def _is_live(trace: Trace, dump: Dumped, finding: Finding) -> bool:
    gone = trace.phase(Phase.SERVICES_GONE)
    if gone is not None and gone.step < dump.step:
        return False
    ended = {entry.mapping for entry in trace.of(MappingEnded) if entry.step < dump.step}
    return any(
        made.step < dump.step
        and made.mapping not in ended
        and made.device <= finding.gpa
        and finding.gpa + finding.length <= made.device + made.length
        for made in trace.of(MappingMade)
    )


def leaks_after_life(trace: Trace, dump: Dumped) -> Iterator[Leak]:
    """Explain the findings of a dump that no mapping, live at that moment, excuses."""
    return (explain(trace, dump, finding) for finding in dump.findings if not _is_live(trace, dump, finding))
