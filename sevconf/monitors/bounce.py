"""
What an IOMMU driver owes the memory that it opens: each live mapping has its own, and none goes back while it is open.

Spec: EDK II `OvmfPkg/IoMmuDxe`; commits e27cfda33b (slots that were given out twice), 52ab4f0e98 (reservations that a
timer interrupts) and bc1c2e49ac (pages that were freed before they were encrypted again).
"""

from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.trace import CBitChanged, MappingEnded, MappingMade, ServiceCall, Trace, describe, party_of
from sevconf.vocabulary import PAGE_SIZE, CBit, Party


def _share(one: MappingMade, other: MappingMade) -> bool:
    """Tell whether two mappings reach common bytes that are not the same bytes of one client's memory."""
    overlap = one.device < other.device + other.length and other.device < one.device + one.length
    in_place = one.device == one.host and other.device == other.host
    return overlap and not in_place


@dataclass(frozen=True, slots=True)
class SharedBounce:
    """Two live mappings have bounce bytes in common."""

    rule: str = "DMA-13"
    party: Party = Party.IOMMU_DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Compare each mapping, when it is made, with those that are live."""
        found = []
        live: dict[str, MappingMade] = {}
        for entry in trace:
            if isinstance(entry, MappingEnded):
                live.pop(entry.mapping, None)
            elif isinstance(entry, MappingMade):
                found += [
                    Breach(
                        rule=self.rule,
                        expected="each live mapping has bounce memory of its own",
                        observed=f"{entry.mapping}, made at step {entry.step}, has DeviceAddress {entry.device:#x} and "
                        f"{entry.length} bytes; {other.mapping}, made at step {other.step} and still live, has "
                        f"{other.device:#x} and {other.length} bytes, so each client gets the other's bytes",
                        culprit=entry.actor,
                        steps=(other.step, entry.step),
                    )
                    for other in live.values()
                    if _share(other, entry)
                ]
                live[entry.mapping] = entry
        return tuple(found)


@dataclass(frozen=True, slots=True)
class GivenBackOpen:
    """The IOMMU driver frees pages whose C-bit it has cleared and not set again."""

    rule: str = "DMA-17"
    party: Party = Party.IOMMU_DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Follow the C-bit of each page up to the calls of FreePages."""
        found = []
        opened: dict[int, int] = {}
        for entry in trace:
            if isinstance(entry, CBitChanged):
                for page in range(entry.gpa, entry.gpa + entry.pages * PAGE_SIZE, PAGE_SIZE):
                    opened.pop(page, None)
                    if entry.cbit is CBit.CLEAR:
                        opened[page] = entry.step
            elif isinstance(entry, ServiceCall) and entry.service == "FreePages":
                steps = [opened[page] for page in _freed(entry) if page in opened]
                if steps and party_of(entry.actor) == self.party.value:
                    breach = Breach(
                        rule=self.rule,
                        expected="pages are private before they are given back",
                        observed=f"at step {entry.step} {describe(entry)}, {len(steps)} of which have the C-bit clear "
                        f"since step {steps[0]}, so their next owner writes for the host to read",
                        culprit=entry.actor,
                        steps=(steps[0], entry.step),
                    )
                    found.append(breach)
        return tuple(found)


def _freed(call: ServiceCall) -> range:
    fields = dict(call.arguments)
    start, pages = fields.get("memory"), fields.get("pages")
    if not isinstance(start, int) or not isinstance(pages, int):
        return range(0)
    return range(start, start + pages * PAGE_SIZE, PAGE_SIZE)
