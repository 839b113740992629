"""DMA without an IOMMU: DRAM as it lies, and what PCI does outside of it."""

import pytest

from sevconf.model.bus import Bus
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.recorder import Recorder
from sevconf.trace import Dma, Trace
from sevconf.vocabulary import PAGE_SIZE, Gpa

SIZE = 4 * PAGE_SIZE
DISK = "device:disk"


@pytest.fixture
def ram() -> EncryptedRam:
    """Return a little RAM."""
    return EncryptedRam(SIZE, b"one guest's key!")


@pytest.fixture
def bus(ram: EncryptedRam) -> Bus:
    """Return a bus before it."""
    return Bus(Recorder(Trace()), ram)


def test_a_device_meets_dram_as_it_lies(bus: Bus, ram: EncryptedRam) -> None:
    """What a device writes lies in plaintext, and what the guest wrote through C=1 it reads as ciphertext."""
    bus.write(DISK, 0x10, b"plain")
    assert ram.read_host(Gpa(0x10), 5) == b"plain"
    ram.write_private(Gpa(0x1000), b"secret of a guest")
    assert bus.read(DISK, 0x1000, 17) == ram.read_host(Gpa(0x1000), 17) != b"secret of a guest"


@pytest.mark.parametrize(("address", "length"), [(SIZE, 1), (SIZE - 1, 2), (1 << 60, 16), (-1, 1)])
def test_outside_ram_reads_are_ones_and_writes_are_lost(bus: Bus, ram: EncryptedRam, address: int, length: int) -> None:
    """An access that is not wholly inside RAM is answered as PCI does: ones, and nothing written."""
    bus.write(DISK, address, bytes(length))
    assert bus.read(DISK, address, length) == b"\xff" * length
    assert ram.touched_pages == 0


def test_the_last_byte_of_ram_is_inside(bus: Bus) -> None:
    """The border of RAM is behind its last byte."""
    bus.write(DISK, SIZE - 1, b"!")
    assert bus.read(DISK, SIZE - 1, 1) == b"!"


def test_every_access_is_in_the_trace(ram: EncryptedRam) -> None:
    """A DMA is the device's own act, unless somebody else makes the device do it."""
    trace = Trace()
    bus = Bus(Recorder(trace), ram)
    bus.write(DISK, 0x10, b"ab")
    bus.read(DISK, 1 << 60, 4, by="scenario")
    assert [(e.actor, e.device, e.address, e.length, e.write) for e in trace.of(Dma)] == [
        (DISK, DISK, 0x10, 2, True),
        ("scenario", DISK, 1 << 60, 4, False),
    ]
