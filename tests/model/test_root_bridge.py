"""The root bridge and PciIo above it: spaces, attributes, and the bus-master bit that really gates DMA."""

import pytest

from sevconf.contract.disk import DiskRegister
from sevconf.contract.driver import PciIo
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import DeviceRegister, Dma
from sevconf.vocabulary import AttributeOperation, Command, ConfigRegister, EfiStatus, MachineKind, PciAttribute

SUCCESS, INVALID = EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER
GET, SET, ENABLE, DISABLE, SUPPORTED = AttributeOperation
MASTER, WIDE = PciAttribute.BUS_MASTER, PciAttribute.DUAL_ADDRESS_CYCLE
DECODING = PciAttribute.IO | PciAttribute.MEMORY


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return a machine, just reset."""
    return ReferenceMachine(MachineKind.NONE, 0)


@pytest.fixture
def pci_io(machine: ReferenceMachine) -> PciIo:
    """Return the disk's PciIo."""
    return machine.pci_io(machine.disk)


def test_registers_lie_in_both_bars(pci_io: PciIo) -> None:
    """What is written by Io is read by Mem, and the other way round."""
    assert pci_io.io_write(DiskRegister.RING_ENTRIES, 4, 8) is SUCCESS
    assert pci_io.mem_read(DiskRegister.RING_ENTRIES, 4) == (SUCCESS, 8)
    assert pci_io.io_read(DiskRegister.RING_ENTRIES, 4) == (SUCCESS, 8)
    assert pci_io.io_read(0x100, 4) == (INVALID, 0)
    assert pci_io.io_write(0x100, 4, 0) is pci_io.pci_write(0x100, 2, 0) is INVALID
    assert pci_io.pci_read(-2, 2) == pci_io.pci_read(0x08, 4) == (INVALID, 0)


def test_a_space_that_is_off_does_not_answer(pci_io: PciIo) -> None:
    """Without decoding reads give ones, and writes are lost."""
    assert pci_io.attributes(DISABLE, PciAttribute.MEMORY)[0] is SUCCESS
    assert pci_io.mem_write(DiskRegister.RING_ENTRIES, 4, 8) is SUCCESS
    assert pci_io.mem_read(DiskRegister.RING_ENTRIES, 4) == (SUCCESS, 0xFFFF_FFFF)
    assert pci_io.io_read(DiskRegister.RING_ENTRIES, 4) == (SUCCESS, 1)


def test_configuration_space(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """Functions have ids, windows and a command register; where none is, all is ones."""
    assert pci_io.pci_read(ConfigRegister.VENDOR_ID, 2) == (SUCCESS, 0x1B36)
    assert pci_io.pci_read(ConfigRegister.COMMAND, 2) == (SUCCESS, Command(7))
    assert pci_io.pci_read(ConfigRegister.BAR0, 4) == (SUCCESS, machine.disk.bars[0])
    assert pci_io.pci_write(ConfigRegister.VENDOR_ID, 2, 0) is SUCCESS
    assert pci_io.pci_read(ConfigRegister.VENDOR_ID, 2) == (SUCCESS, 0x1B36)
    assert machine.bridge.pci_read(31 << 16, 2) == (SUCCESS, 0xFFFF)
    assert machine.bridge.pci_write(31 << 16, 2, 0) is SUCCESS


def test_attributes(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """Attributes tells, sets, enables and disables, and refuses what the device has not."""
    assert pci_io.attributes(SUPPORTED) == (SUCCESS, DECODING | MASTER | WIDE)
    assert pci_io.attributes(GET) == (SUCCESS, DECODING | MASTER)
    assert pci_io.attributes(DISABLE, MASTER) == (SUCCESS, 0)
    assert pci_io.attributes(GET) == (SUCCESS, DECODING)
    with machine.recorder.acting("driver:a"):
        assert pci_io.attributes(ENABLE, MASTER | WIDE) == (SUCCESS, 0)
    assert pci_io.attributes(GET) == (SUCCESS, DECODING | MASTER | WIDE)
    assert pci_io.attributes(DISABLE, WIDE)[0] is SUCCESS
    assert pci_io.attributes(ENABLE, 0x0001)[0] is EfiStatus.UNSUPPORTED
    assert pci_io.attributes(GET) == (SUCCESS, DECODING | MASTER)
    assert pci_io.attributes(SET, DECODING)[0] is SUCCESS
    assert pci_io.attributes(GET) == (SUCCESS, DECODING)
    assert pci_io.attributes(DISABLE, MASTER) == (SUCCESS, 0)
    assert pci_io.attributes(GET) == (SUCCESS, DECODING)
    commands = [(e.actor, e.value) for e in machine.trace.of(DeviceRegister) if e.register == "COMMAND"]
    assert commands == [("scenario", 3), ("driver:a", 7), ("scenario", 7), ("scenario", 3), ("scenario", 3)]
    assert dict(machine.trace.calls("PciIo.Attributes")[4].arguments) == {
        "operation": "ENABLE",
        "attributes": "BUS_MASTER|DUAL_ADDRESS_CYCLE",
    }


def test_the_bus_master_bit_gates_dma(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """A disk that was told to run does no DMA before the bit is set, and none once it is clear again."""

    def polls() -> int:
        before = len(machine.trace)
        machine.core.stall(1)
        return len(list(machine.trace.of(Dma, since=before)))

    pci_io.attributes(DISABLE, MASTER)
    pci_io.mem_write(DiskRegister.CONTROL, 4, 1)
    assert pci_io.mem_read(DiskRegister.STATUS, 4) == (SUCCESS, 0)
    assert polls() == 0
    pci_io.attributes(ENABLE, MASTER)
    assert polls() == 1
    pci_io.attributes(DISABLE, MASTER)
    assert polls() == 0
