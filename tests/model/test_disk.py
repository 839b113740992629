"""The disk as a device: registers, the three steps of a command, and what it makes of nonsense."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.contract.disk import (
    BLOCK,
    DESCRIPTOR_SIZE,
    REGISTER_WIDTH,
    Descriptor,
    DiskRegister,
    Opcode,
    Owner,
    Result,
)
from sevconf.model.bus import Bus
from sevconf.model.devices.disk import CAPACITY, MAX_ENTRIES, Disk
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.recorder import Recorder
from sevconf.trace import DeviceRegister, DeviceState, Dma, Trace
from sevconf.vocabulary import PAGE_SIZE, Command, Gpa

RING, DATA = 0x1000, 0x4000
BLOCKS = bytes(range(256)) * 8


class Bench:
    """A disk before some RAM, driven by its registers."""

    def __init__(self, entries: int = 4) -> None:
        self.trace = Trace()
        self.ram = EncryptedRam(16 * PAGE_SIZE, b"one guest's key!")
        recorder = Recorder(self.trace)
        self.disk = Disk(recorder, Bus(recorder, self.ram))
        self.set(DiskRegister.RING_BASE, RING)
        self.set(DiskRegister.RING_ENTRIES, entries)
        self.disk.command = Command.BUS_MASTER

    def set(self, register: DiskRegister, value: int) -> None:
        """Write a register."""
        assert self.disk.register_write(register, REGISTER_WIDTH[register], value)

    def get(self, register: DiskRegister) -> int | None:
        """Read a register."""
        return self.disk.register_read(register, REGISTER_WIDTH[register])

    def put(self, descriptor: Descriptor, slot: int = 0) -> None:
        """Place a descriptor in the ring."""
        self.ram.write_host(Gpa(RING + slot * DESCRIPTOR_SIZE), descriptor.pack())

    def look(self, slot: int = 0) -> Descriptor:
        """Return a descriptor of the ring."""
        return Descriptor.unpack(self.ram.read_host(Gpa(RING + slot * DESCRIPTOR_SIZE), DESCRIPTOR_SIZE))

    def run(self, steps: int = 3) -> list[tuple[int, int, bool]]:
        """Let the disk make steps; returns the DMA that it did."""
        before = len(self.trace)
        for _ in range(steps):
            self.disk.step()
        return [(dma.address, dma.length, dma.write) for dma in self.trace.of(Dma, since=before)]


def command(
    opcode: int = Opcode.READ, *, blocks: int = 2, lba: int = 3, address: int = DATA, owner: int = 1
) -> Descriptor:
    """Make a command for the disk."""
    return Descriptor(owner, opcode, Result.PENDING, blocks, lba, address, tag=77)


@pytest.fixture
def bench() -> Bench:
    """Return a disk with a ring, halted."""
    return Bench()


@pytest.fixture
def running(bench: Bench) -> Bench:
    """Return a disk that runs, at rest."""
    bench.set(DiskRegister.CONTROL, 1)
    return bench


# Registers


def test_a_disk_is_halted_at_reset(bench: Bench) -> None:
    """A fresh disk does not run, knows its capacity, and does no DMA."""
    assert [bench.get(register) for register in DiskRegister] == [0, 0, RING, 4, CAPACITY]
    assert bench.run(5) == []


def test_running_and_halting_are_states(bench: Bench) -> None:
    """CONTROL starts and halts, STATUS tells, and only changes are states in the trace."""
    for value in (1, 3, 0, 2):
        bench.set(DiskRegister.CONTROL, value)
        assert bench.get(DiskRegister.STATUS) == bench.get(DiskRegister.CONTROL) == value & 1
    assert [(e.actor, e.device, e.running) for e in bench.trace.of(DeviceState)] == [
        ("device:disk", "device:disk", True),
        ("device:disk", "device:disk", False),
    ]


@pytest.mark.parametrize("register", [DiskRegister.RING_BASE, DiskRegister.RING_ENTRIES])
def test_the_ring_is_set_while_halted(running: Bench, register: DiskRegister) -> None:
    """A running disk ignores a new ring."""
    before = running.get(register)
    running.set(register, 2)
    assert running.get(register) == before
    running.set(DiskRegister.CONTROL, 0)
    running.set(register, 2)
    assert running.get(register) == 2


@pytest.mark.parametrize(
    ("value", "kept"), [(0, 1), (1, 1), (MAX_ENTRIES, MAX_ENTRIES), (MAX_ENTRIES + 1, MAX_ENTRIES)]
)
def test_entries_have_limits(bench: Bench, value: int, kept: int) -> None:
    """A ring has one descriptor at least and 128 at most."""
    bench.set(DiskRegister.RING_ENTRIES, value)
    assert bench.get(DiskRegister.RING_ENTRIES) == kept


@pytest.mark.parametrize("register", [DiskRegister.STATUS, DiskRegister.CAPACITY])
def test_some_registers_are_read_only(bench: Bench, register: DiskRegister) -> None:
    """What is read only swallows writes."""
    before = bench.get(register)
    bench.set(register, 99)
    assert bench.get(register) == before


def test_what_is_no_register_is_told(bench: Bench) -> None:
    """A wrong offset or width reaches nothing, and leaves no entry."""
    before = len(bench.trace)
    assert bench.disk.register_read(0x01, 4) is None
    assert bench.disk.register_write(0x00, 2, 1) is False
    assert len(bench.trace) == before


def test_register_accesses_let_the_disk_go_on(running: Bench) -> None:
    """Each access to a register is recorded behind one step of the disk."""
    before = len(running.trace)
    running.get(DiskRegister.STATUS)
    running.set(DiskRegister.STATUS, 0)
    kinds = [type(entry) for entry in running.trace.since(before)]
    assert kinds == [Dma, DeviceRegister, Dma, DeviceRegister]


# Commands


def test_an_idle_disk_polls(running: Bench) -> None:
    """While it runs the disk reads the descriptor at its head, again and again."""
    running.put(command(owner=Owner.DRIVER))
    assert running.run(3) == [(RING, DESCRIPTOR_SIZE, False)] * 3


def test_a_read_takes_three_steps(running: Bench) -> None:
    """A read fetches its descriptor, writes memory, and gives the descriptor back as done."""
    running.disk.medium[3 * BLOCK : 5 * BLOCK] = BLOCKS[: 2 * BLOCK]
    running.put(command())
    assert running.run(1) == [(RING, DESCRIPTOR_SIZE, False)]
    assert running.run(1) == [(DATA, 2 * BLOCK, True)]
    assert running.look().owner == Owner.DISK
    assert running.run(1) == [(RING, 3, True)]
    assert running.ram.read_host(Gpa(DATA), 2 * BLOCK) == BLOCKS[: 2 * BLOCK]
    assert running.look() == Descriptor(Owner.DRIVER, Opcode.READ, Result.DONE, 2, 3, DATA, 77)


def test_a_write_goes_to_the_medium(running: Bench) -> None:
    """A write reads memory, and changes exactly its blocks."""
    running.ram.write_host(Gpa(DATA), BLOCKS)
    running.put(command(Opcode.WRITE))
    assert running.run() == [(RING, DESCRIPTOR_SIZE, False), (DATA, 2 * BLOCK, False), (RING, 3, True)]
    expected = bytearray(CAPACITY * BLOCK)
    expected[3 * BLOCK : 5 * BLOCK] = BLOCKS[: 2 * BLOCK]
    assert running.disk.medium == expected
    assert running.look().result == Result.DONE


def test_commands_are_taken_in_the_order_of_the_ring(running: Bench) -> None:
    """The head goes round the ring, one command behind the other."""
    for slot in range(4):
        running.put(command(lba=slot, blocks=1, address=DATA + slot * BLOCK), slot)
    written = [address for address, length, write in running.run(12) if write and length == BLOCK]
    assert written == [DATA + slot * BLOCK for slot in range(4)]
    assert [running.look(slot).owner for slot in range(4)] == [Owner.DRIVER] * 4
    assert running.run(1) == [(RING, DESCRIPTOR_SIZE, False)]


def test_a_fetched_command_is_not_read_again(running: Bench) -> None:
    """What was fetched stays fetched: a change of the descriptor behind the disk's back is not seen."""
    running.put(command(lba=3))
    running.run(1)
    running.put(command(lba=9, address=DATA + PAGE_SIZE))
    assert running.run(1) == [(DATA, 2 * BLOCK, True)]


@pytest.mark.parametrize("steps", [0, 1])
def test_a_halt_drops_what_was_fetched(running: Bench, steps: int) -> None:
    """A disk that is halted amid a command forgets it, does no DMA any more, and fetches anew when it runs again."""
    running.put(command())
    running.run(steps)
    running.disk.register_write(DiskRegister.CONTROL, 4, 0)
    assert running.look().owner == Owner.DISK
    assert running.run(5) == []
    running.set(DiskRegister.CONTROL, 1)
    assert running.run(3) == [(RING, DESCRIPTOR_SIZE, False), (DATA, 2 * BLOCK, True), (RING, 3, True)]


def test_starting_goes_back_to_the_first_descriptor(running: Bench) -> None:
    """A start resets the head; writing 1 to a disk that runs does not."""
    running.put(command())
    running.run()
    running.disk.register_write(DiskRegister.CONTROL, 4, 1)
    assert running.run(1)[0][0] == RING + DESCRIPTOR_SIZE
    running.set(DiskRegister.CONTROL, 0)
    running.set(DiskRegister.CONTROL, 1)
    assert running.run(1)[0][0] == RING


# Nonsense


@pytest.mark.parametrize(
    "bad",
    [
        command(0),
        command(3),
        command(255),
        command(blocks=0),
        command(blocks=CAPACITY + 1, lba=0),
        command(blocks=2, lba=CAPACITY - 1),
        command(lba=CAPACITY),
        command(lba=2**64 - 1),
        command(blocks=2**32 - 1),
    ],
)
def test_bad_commands_are_answered(running: Bench, bad: Descriptor) -> None:
    """An unknown opcode, no blocks, or blocks beyond the medium are a bad command, and move no data."""
    running.put(bad)
    assert running.run() == [(RING, DESCRIPTOR_SIZE, False), (RING, 3, True)]
    assert running.look().result == Result.BAD_COMMAND
    assert running.disk.medium == bytes(CAPACITY * BLOCK)


def test_the_last_block_is_inside(running: Bench) -> None:
    """The border of the medium is behind its last block."""
    running.put(command(blocks=1, lba=CAPACITY - 1))
    running.run()
    assert running.look().result == Result.DONE


@given(st.binary(min_size=DESCRIPTOR_SIZE, max_size=DESCRIPTOR_SIZE))
@settings(deadline=None)
def test_garbage_is_obeyed_if_it_looks_like_a_command(garbage: bytes) -> None:
    """Any bytes are some descriptor: the disk takes it only with its ownership byte, and lives on in every case."""
    bench = Bench()
    bench.set(DiskRegister.CONTROL, 1)
    bench.ram.write_host(Gpa(RING), garbage)
    descriptor = Descriptor.unpack(garbage)
    dma = bench.run(3)
    if descriptor.owner != Owner.DISK:
        assert dma == [(RING, DESCRIPTOR_SIZE, False)] * 3
    else:
        assert dma[-1] == (RING, 3, True)
    assert bench.disk.running
    assert len(bench.disk.medium) == CAPACITY * BLOCK


def test_a_ring_outside_ram_is_harmless() -> None:
    """Where no memory answers the disk reads ones, which are no command."""
    bench = Bench()
    bench.set(DiskRegister.RING_BASE, 1 << 60)
    bench.set(DiskRegister.CONTROL, 1)
    assert bench.run(2) == [(1 << 60, DESCRIPTOR_SIZE, False)] * 2


def test_data_outside_ram_is_ones(running: Bench) -> None:
    """A write from an address outside RAM puts ones on the medium, as a bus does."""
    running.put(command(Opcode.WRITE, blocks=1, address=1 << 60))
    running.run()
    assert running.disk.medium[3 * BLOCK : 4 * BLOCK] == b"\xff" * BLOCK


def test_ciphertext_in_flight_reaches_the_medium(running: Bench) -> None:
    """If the guest's memory is private by the time the disk reads it, what lies there is ciphertext, and is written."""
    running.ram.write_private(Gpa(DATA), BLOCKS)
    running.put(command(Opcode.WRITE, blocks=1))
    running.run()
    assert running.disk.medium[3 * BLOCK : 4 * BLOCK] == running.ram.read_host(Gpa(DATA), BLOCK) != BLOCKS[:BLOCK]
