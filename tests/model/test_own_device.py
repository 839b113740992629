"""A device that its driver brings: its model behind a PCI function, and the copier as an example of one."""

import pytest

from sevconf.errors import BrokenContract
from sevconf.model.devices.copier import CopierRegister
from sevconf.model.devices.own import OwnDevice
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import DeviceState, Dma
from sevconf.vocabulary import AttributeOperation, EfiStatus, MachineKind, PciAttribute

SUCCESS = EfiStatus.SUCCESS


@pytest.fixture(params=MachineKind, ids=lambda kind: kind.value)
def machine(request: pytest.FixtureRequest) -> ReferenceMachine:
    """Return a machine of each kind."""
    return ReferenceMachine(request.param, 0)


def test_the_copier_copies(machine: ReferenceMachine) -> None:
    """Its driver starts, copies and stops, as often as one likes."""
    for _ in range(2):
        with machine.recorder.acting(machine.own_driver_actor):
            assert machine.own_driver.supported() is machine.own_driver.start() is SUCCESS
            assert machine.own_driver.work() is SUCCESS
            assert machine.own_driver.stop() is SUCCESS
    assert [e.running for e in machine.trace.of(DeviceState)] == [True, False, True, False]
    assert {e.device for e in machine.trace.of(Dma)} == {"device:own"}


def test_a_copier_that_does_not_answer(machine: ReferenceMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that does not end is given up, and nothing stays mapped."""
    driver = machine.own_driver
    assert driver.start() is SUCCESS
    device = machine.own_device
    assert isinstance(device, OwnDevice)
    monkeypatch.setattr(device.model, "step", lambda: None)
    assert driver.work() is EfiStatus.TIMEOUT
    monkeypatch.undo()
    assert driver.work() is SUCCESS


def test_what_a_model_may_not_do(machine: ReferenceMachine) -> None:
    """Without the bus-master bit its DMA does not happen; too much at once is a breach of the contract."""
    device = machine.own_device
    assert isinstance(device, OwnDevice)
    machine.pci_io(device).attributes(AttributeOperation.DISABLE, PciAttribute.BUS_MASTER)
    assert device.read(0x20_0000, 4) == b"\xff" * 4
    device.write(0x20_0000, b"lost")
    assert not list(machine.trace.of(Dma))
    machine.pci_io(device).attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
    with pytest.raises(BrokenContract, match="moves 1048577 bytes at once"):
        device.read(0, (1 << 20) + 1)


def test_registers_are_the_models(machine: ReferenceMachine) -> None:
    """Registers answer at the model's offsets and widths."""
    pci_io = machine.pci_io(machine.own_device)
    assert pci_io.mem_write(CopierRegister.LENGTH, 4, 7) is SUCCESS
    assert pci_io.mem_read(CopierRegister.LENGTH, 4) == (SUCCESS, 7)
    assert pci_io.mem_read(CopierRegister.LENGTH, 8) == (EfiStatus.INVALID_PARAMETER, 0)
    assert pci_io.mem_write(0x80, 4, 7) is EfiStatus.INVALID_PARAMETER
