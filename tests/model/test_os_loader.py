"""The OS loader: one call of ExitBootServices, or as many as UEFI lets a refused one be followed by, and no more."""

import pytest

from sevconf.model.boot_services import Core
from sevconf.model.machine import ReferenceMachine
from sevconf.model.os_loader import TRIES
from sevconf.model.parts import Parts
from sevconf.trace import ExitPhase, Phase, ServiceCall
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    LARGE_PAGE,
    MEMORY_SERVICES,
    AllocateType,
    CBit,
    EfiStatus,
    EventGroup,
    Gva,
    MachineKind,
    MemoryType,
    Tpl,
)

DATA = MemoryType.BOOT_SERVICES_DATA
BEFORE = EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
SUCCESS, INVALID = EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER


class Refuses(Core):
    """A core that takes no MapKey."""

    def _accepts(self, map_key: int) -> bool:
        del map_key
        return False


class Aborts(Core):
    """A core that fails in a way that no other key mends."""

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        """Fail."""
        with self._service("ExitBootServices", map_key=map_key) as call:
            return call.returns(EfiStatus.ABORTED)


def _exits(machine: ReferenceMachine) -> list[ServiceCall]:
    return machine.trace.calls("ExitBootServices")


def _boot(machine: ReferenceMachine) -> EfiStatus:
    with machine.recorder.acting(machine.loader.actor):
        return machine.loader.boot()


def _handed_off(machine: ReferenceMachine) -> bool:
    return machine.trace.phase(Phase.HANDED_OFF) is not None


def _before_handler(machine: ReferenceMachine, pages: int) -> None:
    def notify() -> None:
        for _ in range(pages):
            machine.core.allocate_pages(AllocateType.ANY_PAGES, MemoryType(machine.core.map.key % 2 + 3), 1)

    machine.core.create_event_ex(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, notify, BEFORE)


@pytest.mark.parametrize("kind", [MachineKind.NONE, MachineKind.SEV], ids=lambda kind: kind.value)
def test_a_machine_is_taken_over_at_the_first_call(kind: MachineKind) -> None:
    """Where nothing interferes one call suffices, and the OS then has page tables of its own."""
    machine = ReferenceMachine(kind, 0)
    tables = machine.mmu.tables
    assert _boot(machine) is SUCCESS
    assert [(call.actor, call.tpl) for call in _exits(machine)] == [("os-loader:reference", Tpl.APPLICATION)]
    assert machine.mmu.tables is not tables
    expected = CBit.SET if kind is MachineKind.SEV else CBit.CLEAR
    assert machine.mmu.tables.leaf_cbits(Gva(LARGE_PAGE), 1) == [expected]
    last = machine.trace.last(ExitPhase)
    assert last is not None
    assert (last.phase, last.actor) == (Phase.HANDED_OFF, "os")


def test_a_refused_first_call_is_repeated_with_a_fresh_map() -> None:
    """If a BEFORE handler changed the map the loader asks for it again, and only for memory services in between."""
    machine = ReferenceMachine(MachineKind.SEV, 0)
    _before_handler(machine, 1)
    assert _boot(machine) is SUCCESS
    first, second = _exits(machine)
    assert dict(first.arguments)["map_key"] != dict(second.arguments)["map_key"]
    between = [c for c in machine.trace.of(ServiceCall, since=first.step) if c.actor == machine.loader.actor]
    assert {call.service for call in between} - {"ExitBootServices"} <= MEMORY_SERVICES
    assert _handed_off(machine)


def test_a_core_that_always_refuses_is_given_up() -> None:
    """After some refused calls the loader returns the status, and does not take over a machine it was not given."""
    machine = ReferenceMachine(MachineKind.SEV, 0, Parts(core=Refuses))
    tables = machine.mmu.tables
    assert _boot(machine) is INVALID
    assert len(_exits(machine)) == TRIES
    assert not _handed_off(machine)
    assert machine.mmu.tables is tables


def test_another_failure_is_not_answered_by_another_call() -> None:
    """Only a refused MapKey is worth another call."""
    machine = ReferenceMachine(MachineKind.SEV, 0, Parts(core=Aborts))
    assert _boot(machine) is EfiStatus.ABORTED
    assert len(_exits(machine)) == 1
    assert not _handed_off(machine)


def test_without_memory_for_the_map_nothing_ends() -> None:
    """A loader that gets no buffer for the map returns that status, and never calls ExitBootServices."""
    machine = ReferenceMachine(MachineKind.SEV, 0)
    for free in machine.core.map.descriptors[1:]:
        machine.core.allocate_pages(AllocateType.ADDRESS, DATA, free.pages, free.start)
    assert _boot(machine) is EfiStatus.OUT_OF_RESOURCES
    assert _exits(machine) == []


def test_a_map_that_outgrows_its_buffer_ends_the_attempt() -> None:
    """If a BEFORE handler cuts the map into more ranges than the buffer holds, the loader stops with that status."""
    machine = ReferenceMachine(MachineKind.SEV, 0)
    _before_handler(machine, 100)
    assert _boot(machine) is EfiStatus.BUFFER_TOO_SMALL
    assert len(_exits(machine)) == 1
    assert not _handed_off(machine)
