"""The reference drivers of keyboard and network card work, and give back what they took when something fails."""

from collections.abc import Callable
from typing import Any

import pytest

from sevconf.contract import KeyboardDriver, Mapped, MappingToken, NetworkDriver
from sevconf.model.drivers.keyboard import TransferKeyboardDriver
from sevconf.model.drivers.nic import NetworkDriver as ReferenceNetworkDriver
from sevconf.model.iommu.none import NoIommu
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.monitors import charge
from sevconf.trace import DeviceRegister, DeviceState, MappingEnded, MappingMade, Trace
from sevconf.vocabulary import AttributeOperation, Command, EfiStatus, Gva, MachineKind, Party, PciAttribute

KINDS = [MachineKind.NONE, MachineKind.SEV]
REPORTS = [bytes([0x02, 0, key, 0, 0, 0, 0, 0]) for key in range(4, 24)]
OUT = EfiStatus.OUT_OF_RESOURCES


def live(trace: Trace) -> set[str]:
    """Return the mappings that are live at the end of a trace."""
    return {m.mapping for m in trace.of(MappingMade)} - {m.mapping for m in trace.of(MappingEnded)}


def step(machine: ReferenceMachine, steps: int) -> None:
    """Let the devices get on."""
    machine.host.run_devices(steps)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transfers", [False, True])
def test_keys(kind: MachineKind, transfers: bool) -> None:
    """Keys come in the order in which they were pressed, also more than there are transfers."""
    machine = ReferenceMachine(kind, 1)
    if transfers:
        machine.keyboard_driver_factory = TransferKeyboardDriver
    driver = machine.keyboard_driver
    assert isinstance(driver, KeyboardDriver)
    assert driver.supported() is EfiStatus.SUCCESS
    for _ in range(2):
        assert driver.start() is EfiStatus.SUCCESS
        assert driver.read_key() == (EfiStatus.NOT_READY, b"")
        machine.keyboard.press(b"".join(REPORTS))
        for report in REPORTS:
            step(machine, 3)
            assert driver.read_key() == (EfiStatus.SUCCESS, report)
        assert driver.stop() is EfiStatus.SUCCESS
        assert not live(machine.trace)


@pytest.mark.parametrize("kind", KINDS)
def test_frames(kind: MachineKind) -> None:
    """Frames go both ways, and one that is too long is refused."""
    machine = ReferenceMachine(kind, 1)
    driver = machine.network_driver
    assert isinstance(driver, NetworkDriver)
    assert driver.supported() is EfiStatus.SUCCESS
    for _ in range(2):
        assert driver.start() is EfiStatus.SUCCESS
        for number in range(9):
            frame = bytes([number]) * 90
            assert driver.transmit(frame) is EfiStatus.SUCCESS
            machine.nic.deliver(machine.nic.sent[-1])
            step(machine, 2)
            assert driver.receive() == (EfiStatus.SUCCESS, frame)
        assert driver.receive() == (EfiStatus.NOT_READY, b"")
        assert driver.transmit(bytes(2000)) is EfiStatus.INVALID_PARAMETER
        assert driver.stop() is EfiStatus.SUCCESS
        assert not live(machine.trace)


def test_card_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that does not leave is given up: the card is halted before its mapping ends, and started afresh."""
    machine = ReferenceMachine(MachineKind.SEV, 1)
    driver = machine.network_driver
    assert driver.start() is EfiStatus.SUCCESS
    monkeypatch.setattr(machine.nic, "_send", lambda: None)
    assert driver.transmit(b"lost") is EfiStatus.TIMEOUT
    monkeypatch.undo()
    assert driver.transmit(b"sent") is EfiStatus.SUCCESS
    assert machine.nic.sent == [b"sent"]
    assert [e.running for e in machine.trace.of(DeviceState)] == [True, False, True]


Spoil = Callable[[ReferenceMachine, pytest.MonkeyPatch], None]


def no_buffer(machine: ReferenceMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AllocateBuffer fail."""
    monkeypatch.setattr(machine.iommu, "allocate_buffer", lambda *_, **__: (OUT, Gva(0)))


def no_mapping(machine: ReferenceMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Map fail."""
    monkeypatch.setattr(NoIommu, "map", lambda *_, **__: Mapped(OUT, 0, 0, MappingToken(0)))


def no_event(machine: ReferenceMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let CreateEvent fail."""
    monkeypatch.setattr(machine.core, "create_event", lambda *_: (OUT, 0))


def no_pages(machine: ReferenceMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AllocatePages fail, for whoever calls it."""
    monkeypatch.setattr(machine.core, "allocate_pages", lambda *_: (OUT, Gva(0)))


@pytest.mark.parametrize("spoil", [no_buffer, no_mapping, no_event, no_pages])
@pytest.mark.parametrize("device", ["keyboard", "network"])
def test_start_that_fails(device: str, spoil: Spoil, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails half way says so, and leaves nothing mapped and no device running."""
    machine = ReferenceMachine(MachineKind.NONE, 1)
    machine.keyboard_driver_factory = TransferKeyboardDriver
    driver: Any = getattr(machine, f"{device}_driver")
    spoil(machine, monkeypatch)
    assert driver.start() is OUT
    assert not live(machine.trace)
    assert not list(machine.trace.of(DeviceState))


@pytest.mark.parametrize("spoil", [no_mapping, no_pages])
def test_work_that_finds_no_memory(spoil: Spoil, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame for which there is no memory is not sent, a key whose transfer can't be mapped again comes with that."""
    machine = ReferenceMachine(MachineKind.NONE, 1)
    machine.keyboard_driver_factory = TransferKeyboardDriver
    assert machine.network_driver.start() is machine.keyboard_driver.start() is EfiStatus.SUCCESS
    machine.keyboard.press(REPORTS[0])
    step(machine, 3)
    spoil(machine, monkeypatch)
    assert machine.network_driver.transmit(b"frame") is OUT
    if spoil is no_mapping:
        assert machine.keyboard_driver.read_key()[0] is OUT
    assert not machine.nic.sent


def test_host_forgets_frames_and_keys() -> None:
    """A host that wipes its copies has neither keys nor frames any more."""
    machine = ReferenceMachine(MachineKind.SEV, 1)
    machine.keyboard.press(REPORTS[0])
    machine.nic.deliver(b"frame")
    machine.host.wipe_copies()
    assert not machine.keyboard.pressed
    assert not machine.nic.arrived


class ClearsBusMaster(ReferenceNetworkDriver):
    """Halts the card by the bus-master bit alone."""

    def halt(self) -> None:
        """Take the bus away from it."""
        self.pci_io.attributes(AttributeOperation.DISABLE, PciAttribute.BUS_MASTER)


@pytest.mark.parametrize("driver", [ReferenceNetworkDriver, ClearsBusMaster])
def test_bus_master_bit_is_nobodys_fault(driver: type[ReferenceNetworkDriver]) -> None:
    """A card that was halted is blamed for nothing, whether its bus-master bit stays on or not (S26)."""
    machine = ReferenceMachine(MachineKind.SEV, 1, Parts(network_driver=driver))
    with machine.recorder.acting(machine.network_driver_actor):
        assert machine.network_driver.start() is EfiStatus.SUCCESS
    assert machine.loader.boot() is EfiStatus.SUCCESS
    machine.nic.deliver(b"frame")
    step(machine, 9)
    assert not charge(machine.trace, frozenset(Party))


def demands_clear_bit(machine: ReferenceMachine) -> bool:
    """Tell whether a rule that demands a clear bus-master bit at hand-over would blame a machine: no monitor may."""
    bits = [e.value for e in machine.trace.of(DeviceRegister) if e.register == "COMMAND" and e.write]
    return bits[-1] & Command.BUS_MASTER != 0


def test_monitor_that_demands_a_clear_bit_is_wrong() -> None:
    """A rule that demands it would blame the reference, which halts its card; so it is refused (S26)."""
    machine = ReferenceMachine(MachineKind.SEV, 1)
    assert machine.network_driver.start() is EfiStatus.SUCCESS
    assert machine.loader.boot() is EfiStatus.SUCCESS
    assert demands_clear_bit(machine)
    assert not machine.nic.running
