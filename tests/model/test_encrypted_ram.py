"""Guest RAM: what lies in DRAM after writes of the guest, the host and devices, whole and in part."""

import numpy as np
import pytest

from sevconf.model.cipher import MemoryCipher
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.vocabulary import PAGE_SIZE, CBit, Gpa

KEY = b"one guest's key!"
SIZE = 1 << 20
SECRET = bytes(range(64, 128))


@pytest.fixture
def ram() -> EncryptedRam:
    """RAM of one guest."""
    return EncryptedRam(SIZE, KEY)


def encrypted(page: bytes, gpa: int) -> bytes:
    """Encrypt one page for its address."""
    return MemoryCipher(KEY).encrypt(np.frombuffer(page, np.uint8).reshape(1, -1), np.array([gpa], np.uint64)).tobytes()


def test_dram_is_zero_at_first(ram: EncryptedRam) -> None:
    """Memory never written reads as zeros to the host, and through the cipher as what zeros decrypt to."""
    assert ram.read_raw(Gpa(0x1FF0), 0x20) == bytes(0x20)
    assert encrypted(ram.read_private(Gpa(0x1000), PAGE_SIZE), 0x1000) == bytes(PAGE_SIZE)
    assert ram.touched_pages == 0
    assert list(ram.dump()) == []


def test_a_private_write_lies_encrypted_in_dram(ram: EncryptedRam) -> None:
    """What the guest writes through C=1 it reads back, and the host sees only ciphertext."""
    ram.write_private(Gpa(0x3000), SECRET * 64)
    assert ram.read_private(Gpa(0x3000), 64) == SECRET
    assert ram.read_host(Gpa(0x3000), PAGE_SIZE) == encrypted(SECRET * 64, 0x3000)


def test_a_raw_write_lies_plain_in_dram(ram: EncryptedRam) -> None:
    """What the guest writes through C=0 the host reads, and the guest reads garbage through C=1."""
    ram.write_raw(Gpa(0x3000), SECRET)
    assert ram.read_host(Gpa(0x3000), 64) == SECRET
    assert encrypted(ram.read_private(Gpa(0x3000), PAGE_SIZE), 0x3000)[:64] == SECRET


def test_a_host_write_lies_plain_in_dram(ram: EncryptedRam) -> None:
    """What the host or a device writes is plain to the host, even over what the guest wrote through C=1."""
    ram.write_private(Gpa(0x3000), bytes(PAGE_SIZE))
    ram.write_host(Gpa(0x3000), SECRET)
    assert ram.read_host(Gpa(0x3000), 64) == SECRET
    assert ram.read_private(Gpa(0x3000), 64) != SECRET


@pytest.mark.parametrize("over", [b"x", b"0123456789", bytes(40)])
def test_a_host_write_costs_the_guest_whole_blocks_and_no_more(ram: EncryptedRam, over: bytes) -> None:
    """After a device wrote some bytes, the guest reads garbage in their 16-byte blocks, and all else as it was."""
    page = bytes(range(256)) * 16
    ram.write_private(Gpa(0x3000), page)
    ram.write_host(Gpa(0x3105), over)
    seen = ram.read_private(Gpa(0x3000), PAGE_SIZE)
    first, behind = 0x100, (0x105 + len(over) + 15) & ~15
    assert seen[:first] == page[:first]
    assert seen[behind:] == page[behind:]
    assert all(seen[at : at + 16] != page[at : at + 16] for at in range(first, behind, 16))


def test_a_private_write_of_some_bytes_keeps_the_rest_of_the_block(ram: EncryptedRam) -> None:
    """A write through C=1 shorter than a block reads, changes and writes the block: nothing else of it is lost."""
    ram.write_raw(Gpa(0x3000), SECRET)
    before = ram.read_private(Gpa(0x3000), 64)
    ram.write_private(Gpa(0x3012), b"yz")
    assert ram.read_private(Gpa(0x3000), 64) == before[:0x12] + b"yz" + before[0x14:]
    after = ram.read_raw(Gpa(0x3000), 64)
    assert (after[:16], after[32:]) == (SECRET[:16], SECRET[32:])
    assert after[16:32] != SECRET[16:32]


@pytest.mark.parametrize("start", [0x2000, 0x2010, 0x2FFF])
@pytest.mark.parametrize("length", [1, 15, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE - 1])
def test_writes_may_cross_pages(ram: EncryptedRam, start: int, length: int) -> None:
    """A write of any place and length changes exactly its bytes, in the form in which it was made."""
    data = np.random.default_rng(length).bytes(length)
    for write, read in ((ram.write_private, ram.read_private), (ram.write_raw, ram.read_raw)):
        before = read(Gpa(0x1000), 6 * PAGE_SIZE)
        write(Gpa(start), data)
        offset = start - 0x1000
        assert read(Gpa(0x1000), 6 * PAGE_SIZE) == before[:offset] + data + before[offset + length :]


def test_a_dump_gives_the_longest_runs_in_address_order(ram: EncryptedRam) -> None:
    """A dump holds each written page once, neighbours in one run, as they lie in DRAM, and nothing else."""
    ram.write_private(Gpa(0x9000), SECRET * 64)
    ram.write_raw(Gpa(SIZE - 1), b"!")
    ram.write_raw(Gpa(0x2FFF), b"ab")
    ram.write_private(Gpa(0x1000), b"c")
    ram.read_private(Gpa(0x7000), 1)
    runs = list(ram.dump())
    assert [(start, len(run)) for start, run in runs] == [(0x1000, 0x3000), (0x9000, 0x1000), (SIZE - 0x1000, 0x1000)]
    assert bytes(runs[0][1][0x1FFF:0x2001]) == b"ab"
    assert bytes(runs[1][1]) == encrypted(SECRET * 64, 0x9000)
    assert all(run.readonly for _, run in runs)
    assert ram.touched_pages == 5


def test_a_dump_is_of_the_moment_of_the_call(ram: EncryptedRam) -> None:
    """Runs written after the call are not part of a dump that is still being read."""
    ram.write_raw(Gpa(0), b"a")
    runs = ram.dump()
    ram.write_raw(Gpa(0x5000), b"b")
    assert [start for start, _ in runs] == [0]


def test_many_scattered_pages_are_dumped_encrypted(ram: EncryptedRam) -> None:
    """Pages with gaps between them are encrypted each for its own address."""
    for gpa in range(0, SIZE, 0x2000):
        ram.write_private(Gpa(gpa), SECRET * 64)
    runs = list(ram.dump())
    assert len(runs) == SIZE // 0x2000
    assert all(bytes(run) == encrypted(SECRET * 64, start) for start, run in runs)


def test_the_same_key_and_writes_give_the_same_dram() -> None:
    """Two machines of one key that do the same dump the same."""
    rams = [EncryptedRam(SIZE, KEY), EncryptedRam(SIZE, KEY)]
    for one in rams:
        one.write_private(Gpa(0x123), SECRET)
    assert rams[0].read_host(Gpa(0), PAGE_SIZE) == rams[1].read_host(Gpa(0), PAGE_SIZE)


def test_hearing_of_a_cbit_changes_no_byte(ram: EncryptedRam) -> None:
    """A C-bit alone neither encrypts nor decrypts what lies in DRAM."""
    ram.write_private(Gpa(0), SECRET)
    before = ram.read_host(Gpa(0), PAGE_SIZE)
    ram.cbit_changed(Gpa(0), PAGE_SIZE, CBit.CLEAR)
    assert ram.read_host(Gpa(0), PAGE_SIZE) == before


def test_an_access_of_no_bytes_touches_nothing(ram: EncryptedRam) -> None:
    """Empty accesses are allowed up to the end of RAM, and leave no trace."""
    for gpa in (Gpa(0), Gpa(0x10), Gpa(SIZE)):
        ram.write_private(gpa, b"")
        ram.write_raw(gpa, b"")
        assert ram.read_private(gpa, 0) == ram.read_raw(gpa, 0) == b""
    assert ram.touched_pages == 0


@pytest.mark.parametrize(("gpa", "length"), [(SIZE, 1), (SIZE - 1, 2), (-1, 1), (0, SIZE + 1), (1 << 47, 8)])
def test_an_access_beyond_ram_is_refused(ram: EncryptedRam, gpa: int, length: int) -> None:
    """Whoever reads or writes outside RAM is told where, and nothing is written."""
    message = rf"^an access lies within RAM of 0x100000 bytes, not at {gpa:#x} of {length:#x} bytes$"
    for read in (ram.read_private, ram.read_raw, ram.read_host):
        with pytest.raises(ValueError, match=message):
            read(Gpa(gpa), length)
    for write in (ram.write_private, ram.write_raw, ram.write_host):
        with pytest.raises(ValueError, match=message):
            write(Gpa(gpa), bytes(length))
    assert ram.touched_pages == 0


def test_a_negative_length_is_refused(ram: EncryptedRam) -> None:
    """A length below zero is an error of the caller."""
    for read in (ram.read_private, ram.read_raw):
        with pytest.raises(ValueError, match=r"of -0x1 bytes$"):
            read(Gpa(0x2000), -1)


@pytest.mark.parametrize("size", [0, -PAGE_SIZE, PAGE_SIZE + 1])
def test_a_size_that_is_no_number_of_pages_is_refused(size: int) -> None:
    """RAM consists of whole pages, and of one at least."""
    with pytest.raises(ValueError, match=r"^the size of RAM is a positive multiple of 0x1000, not "):
        EncryptedRam(size, KEY)
