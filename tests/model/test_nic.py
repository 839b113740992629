"""The network card is the device that its contract describes."""

import pytest

from sevconf.contract.nic import DESCRIPTOR_SIZE, REGISTER_WIDTH, Descriptor, NicRegister, Owner
from sevconf.model.devices.nic import Nic
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import DeviceState, Dma
from sevconf.vocabulary import Command, ConfigRegister, Gpa, MachineKind

SEND, RECEIVE, DATA = 0x200000, 0x201000, 0x202000
FRAME = bytes(range(100))


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return a machine without encryption."""
    return ReferenceMachine(MachineKind.NONE, 1)


@pytest.fixture
def nic(machine: ReferenceMachine) -> Nic:
    """Return a card that runs, with one receive buffer of 64 bytes in a ring of two."""
    machine.host.write(Gpa(RECEIVE), Descriptor(Owner.NIC, 64, DATA).pack())
    for register, value in (
        (NicRegister.TX_BASE, SEND),
        (NicRegister.TX_ENTRIES, 2),
        (NicRegister.RX_BASE, RECEIVE),
        (NicRegister.RX_ENTRIES, 2),
        (NicRegister.CONTROL, 1),
    ):
        write(machine.nic, register, value)
    master(machine.nic, on=True)
    return machine.nic


def master(nic: Nic, *, on: bool) -> None:
    """Write the command register."""
    assert nic.config_write(ConfigRegister.COMMAND, 2, Command.BUS_MASTER if on else 0)


def write(nic: Nic, register: NicRegister, value: int) -> None:
    """Write a register."""
    assert nic.register_write(register, REGISTER_WIDTH[register], value)


def read(nic: Nic, register: NicRegister) -> int | None:
    """Read a register."""
    return nic.register_read(register, REGISTER_WIDTH[register])


def dma(machine: ReferenceMachine, since: int = 0) -> list[tuple[int, int, bool]]:
    """Return where the card did DMA."""
    return [(e.address, e.length, e.write) for e in machine.trace.of(Dma, since=since)]


def test_registers(nic: Nic) -> None:
    """Registers answer at their offset and width, and are settled while the card runs."""
    write(nic, NicRegister.RX_BASE, 7)
    write(nic, NicRegister.STATUS, 0)
    assert [read(nic, register) for register in NicRegister] == [1, 1, SEND, 2, 0, RECEIVE, 2]
    assert nic.register_read(0x40, 4) is None
    assert nic.register_read(NicRegister.STATUS, 8) is None
    assert not nic.register_write(0x40, 4, 0)


def test_either_bit_halts(machine: ReferenceMachine, nic: Nic) -> None:
    """The card runs while both bits are set, and hears nothing meanwhile."""
    master(nic, on=False)
    assert read(nic, NicRegister.STATUS) == 0
    nic.deliver(FRAME)
    nic.step()
    master(nic, on=True)
    write(nic, NicRegister.CONTROL, 0)
    nic.step()
    assert [e.running for e in machine.trace.of(DeviceState)] == [True, False, True, False]
    assert not dma(machine)


def test_silent_until_asked(machine: ReferenceMachine, nic: Nic) -> None:
    """A card that has nothing to send, and to which no frame comes, does no DMA."""
    nic.step()
    assert not dma(machine)


def test_sending(machine: ReferenceMachine, nic: Nic) -> None:
    """A frame takes two steps, and its descriptor comes back; one that is not the card's is waited for."""
    write(nic, NicRegister.TX_TAIL, 1)
    nic.step()
    assert not nic.sent
    machine.host.write(Gpa(DATA), FRAME)
    machine.host.write(Gpa(SEND), Descriptor(Owner.NIC, 100, DATA).pack())
    nic.step()
    nic.step()
    assert nic.sent == [FRAME]
    assert machine.host.read(Gpa(SEND), 1)[0] == Owner.DRIVER
    before = len(machine.trace)
    nic.step()
    assert not dma(machine, before)
    nic.forget()
    assert not nic.sent


def test_receiving(machine: ReferenceMachine, nic: Nic) -> None:
    """A frame is cut to its buffer and its descriptor comes back with the length; without a buffer it is lost."""
    nic.deliver(FRAME)
    nic.deliver(FRAME)
    nic.step()
    assert machine.host.read(Gpa(DATA), 65) == FRAME[:64] + b"\0"
    assert Descriptor.unpack(machine.host.read(Gpa(RECEIVE), DESCRIPTOR_SIZE)) == Descriptor(Owner.DRIVER, 64, DATA)
    before = len(machine.trace)
    nic.step()
    assert dma(machine, before) == [(RECEIVE + DESCRIPTOR_SIZE, DESCRIPTOR_SIZE, False)]
    assert not nic.arrived
