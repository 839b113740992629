"""The monitor of granted DMA, over traces made by hand."""

from collections.abc import Callable

import pytest

from sevconf.monitors.charge import charge
from sevconf.monitors.granted_dma import GrantedFaults
from sevconf.trace import Dma, ExitPhase, IommuFault, IommuState, MappingEnded, MappingMade, Phase, Trace
from sevconf.vocabulary import DmaOperation, Gpa, Party, Tpl

DISK = "device:disk"
IOMMU = "iommu-driver:x"


class Story:
    """A trace with one mapping of the disk: 512 bytes at 0x1000, for reading."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.state(translating=True)
        self._add(
            MappingMade,
            IOMMU,
            mapping="M1",
            owner="driver:d",
            bus_master=DISK,
            operation=DmaOperation.READ,
            host=Gpa(0x1000),
            device=0x1000,
            length=512,
        )

    def _add(self, kind: type, actor: str, **fields: object) -> None:
        self.trace.record(kind, actor, None, Tpl.APPLICATION, **fields)

    def state(self, *, translating: bool) -> None:
        """Write the IOMMU's registers."""
        self._add(IommuState, IOMMU, translating=translating, root=Gpa(0))

    def phase(self, phase: Phase) -> None:
        """Go on with ExitBootServices."""
        self._add(ExitPhase, "core", phase=phase)

    def end(self) -> None:
        """Tear the mapping down."""
        self._add(MappingEnded, IOMMU, mapping="M1")

    def fault(self, *, address: int = 0x1000, write: bool = False, actor: str = DISK) -> None:
        """Refuse an access."""
        self._add(IommuFault, actor, device=DISK, address=address, length=16, write=write)


def test_a_fault_inside_a_live_mapping_is_the_iommu_drivers() -> None:
    """The first fault of a device inside its mapping is charged, with the mapping and the IOMMU's last state."""
    story = Story()
    story.phase(Phase.KEY_ACCEPTED)
    story.fault()
    story.fault()
    (breach,) = GrantedFaults().breaches(story.trace)
    assert (breach.rule, breach.culprit, breach.subject, breach.steps) == ("IOM-05", IOMMU, DISK, (2, 1, 4))
    assert "inside M1, which was made as BusMasterRead at step 2 and is still live" in breach.observed
    assert [b.rule for b in charge(story.trace, frozenset({Party.IOMMU_DRIVER}))] == ["IOM-05"]


def torn_down(story: Story) -> None:
    """Fault behind the end of the mapping."""
    story.end()
    story.fault()


def behind_handlers(story: Story) -> None:
    """Fault when every exit handler has run."""
    story.phase(Phase.KEY_ACCEPTED)
    story.phase(Phase.HANDLERS_DONE)
    story.fault()


INNOCENT: dict[str, Callable[[Story], None]] = {
    "outside": lambda story: story.fault(address=0x2000),
    "against the direction": lambda story: story.fault(write=True),
    "by the scenario": lambda story: story.fault(actor="scenario"),
    "torn down": torn_down,
    "behind the handlers": behind_handlers,
}


@pytest.mark.parametrize("act", INNOCENT.values(), ids=INNOCENT)
def test_other_faults_are_not(act: Callable[[Story], None]) -> None:
    """What lies outside a mapping, goes against it, or comes after it, is not the IOMMU driver's to let pass."""
    story = Story()
    act(story)
    assert GrantedFaults().breaches(story.trace) == ()


def test_nobody_is_named_where_nobody_acted() -> None:
    """Without any act of an IOMMU driver the party is the culprit."""
    trace = Trace()
    made = {"mapping": "M1", "owner": "driver:d", "bus_master": DISK, "operation": DmaOperation.COMMON_BUFFER}
    trace.record(MappingMade, "pci", None, Tpl.APPLICATION, **made, host=Gpa(0), device=0, length=512)
    access = {"device": DISK, "address": 0, "length": 16, "write": True}
    trace.record(Dma, DISK, None, Tpl.APPLICATION, **access)
    trace.record(IommuFault, DISK, None, Tpl.APPLICATION, **access)
    (breach,) = GrantedFaults().breaches(trace)
    assert breach.culprit == "iommu-driver"
