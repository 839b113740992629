"""Want of resources: the chosen call fails, once, and nobody else notices."""

import pytest

from sevconf.contract.driver import BootServices, PciIo
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import ServiceReturn
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, AllocateType, DmaOperation, EfiStatus, MachineKind, MemoryType, Tpl

DATA = MemoryType.BOOT_SERVICES_DATA


class Bench:
    """A machine, and its services as a driver gets them."""

    def __init__(self) -> None:
        self.machine = ReferenceMachine(MachineKind.SEV, 0)
        self.shortage = self.machine.shortage
        self.core: BootServices = self.shortage.core(self.machine.core)
        self.pci_io: PciIo = self.shortage.pci_io(self.machine.pci_io(self.machine.probe))

    def statuses(self) -> list[EfiStatus]:
        """Call each service that may fail, once, and return their statuses."""
        status, buffer = self.pci_io.allocate_buffer(DATA, 1)
        return [
            status,
            self.pci_io.map(DmaOperation.READ, buffer, 64).status,
            self.core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)[0],
            self.core.allocate_pool(DATA, 64)[0],
            self.core.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, lambda: None)[0],
            self.core.create_event_ex(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, lambda: None)[0],
        ]


def test_nothing_is_short_at_first() -> None:
    """Without a choice every call is served."""
    bench = Bench()
    assert bench.statuses() == [EfiStatus.SUCCESS] * 6
    assert not bench.shortage.pending


@pytest.mark.parametrize("number", range(1, 7))
def test_the_chosen_call_fails_once(number: int) -> None:
    """Calls are counted over all services; the one of that number fails and stands in the trace."""
    bench = Bench()
    bench.shortage.fail_call(number)
    statuses = bench.statuses()
    assert statuses[number - 1] is EfiStatus.OUT_OF_RESOURCES
    assert not bench.shortage.pending
    assert bench.statuses() == [EfiStatus.SUCCESS] * 6
    failed = [e for e in bench.machine.trace.of(ServiceReturn) if e.status is EfiStatus.OUT_OF_RESOURCES]
    assert len(failed) == 1


def test_other_services_are_not_counted() -> None:
    """A service that takes no resources neither fails nor counts."""
    bench = Bench()
    bench.shortage.fail_call(1)
    assert bench.core.stall(1) is EfiStatus.SUCCESS
    assert bench.shortage.pending


def test_map_gives_a_part() -> None:
    """Map maps no more than its limit, and says so; other machines' Maps are served whole."""
    bench = Bench()
    _, buffer = bench.pci_io.allocate_buffer(DATA, 1)
    bench.shortage.map_at_most(100)
    assert bench.pci_io.map(DmaOperation.READ, buffer, 512).length == 100
    assert bench.pci_io.map(DmaOperation.READ, buffer, 64).length == 64
    bench.shortage.map_at_most(None)
    assert bench.pci_io.map(DmaOperation.READ, buffer, 512).length == 512
