"""Timer interrupts at a chosen act of a service."""

import pytest

from sevconf.contract import Mappable
from sevconf.subjects.reference import ReferenceTarget
from sevconf.trace import NotificationBegan, ServiceCall
from sevconf.vocabulary import DmaOperation, MachineKind, Tpl

READ = DmaOperation.READ


@pytest.mark.parametrize("act", [1, 2, 3])
def test_the_notification_runs_inside_the_service(act: int) -> None:
    """It runs once, at TPL_NOTIFY, inside the Map that was called; both Maps succeed, with memory of their own."""
    machine = ReferenceTarget().open(MachineKind.SEV, 0)
    (_, one), (_, two) = machine.core.allocate_pages(1), machine.core.allocate_pages(1)
    outer, inner = machine.dma.map_interrupted(Mappable(READ, one, 512), act, Mappable(READ, two, 512))
    assert inner is not None
    assert not outer.status.is_error
    assert outer.device_address != inner.device_address
    (began,) = machine.trace.of(NotificationBegan)
    assert machine.trace.at(began.step + 1).tpl is Tpl.NOTIFY
    around = [e.service for e in machine.trace.enclosing(began) if isinstance(e, ServiceCall)]
    assert around == ["IoMmu.Map", "RootBridgeIo.Map", "PciIo.Map"]


def test_a_service_that_is_done_is_not_interrupted() -> None:
    """An act that never comes lets nothing run, now or later."""
    machine = ReferenceTarget().open(MachineKind.SEV, 0)
    (_, one), (_, two) = machine.core.allocate_pages(1), machine.core.allocate_pages(1)
    assert machine.dma.map_interrupted(Mappable(READ, one, 512), 99, Mappable(READ, two, 512))[1] is None
    machine.core.pass_time(10_000_000)
    assert not list(machine.trace.of(NotificationBegan))
