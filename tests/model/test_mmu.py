"""The processor's accesses, against a machine that does each of them byte by byte and keeps nothing lazily."""

import itertools
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.mmu import Mmu
from sevconf.model.page_table import PageTables, Translation
from sevconf.vocabulary import LARGE_PAGE, PAGE_SIZE, CBit, Gpa, Gva

KEY = b"key of the guest"
SIZE = 2 * LARGE_PAGE
#: Pages that the tests use for data; tables lie behind them.
PAGES = 6
#: Where each data page is mapped a second time.
ALIAS = 0x7F00_0000_0000
SET, CLEAR = CBit.SET, CBit.CLEAR


def allocator(first: int = LARGE_PAGE) -> Callable[[], Gpa]:
    """Hand out one page after the other for tables."""
    pages = itertools.count(first, PAGE_SIZE)
    return lambda: Gpa(next(pages))


def make(cbit_position: int = 47) -> Mmu:
    """Make a machine whose data pages are mapped twice: as themselves with C=1, and at ALIAS with C=0."""
    ram = EncryptedRam(SIZE, KEY)
    tables = PageTables(ram, allocator(), cbit_position)
    tables.map_identity(LARGE_PAGE, SET)
    for page in range(PAGES):
        tables.map_page(Gva(ALIAS + page * PAGE_SIZE), Gpa(page * PAGE_SIZE), CLEAR)
    return Mmu(ram, tables)


class NaiveMachine:
    """The same in the obvious way: DRAM as bytes, each block through AES at each access, page tables as a dict."""

    def __init__(self) -> None:
        self.dram = bytearray(PAGES * PAGE_SIZE)
        self.leaves = {}
        for page in range(PAGES):
            self.leaves[page] = (page, SET)
            self.leaves[ALIAS // PAGE_SIZE + page] = (page, CLEAR)
        self.tlb: dict[int, tuple[int, CBit]] = {}
        aes = Cipher(algorithms.AES128(KEY), modes.ECB())  # noqa: S305 - the bare block cipher is what XEX is made of
        self.encrypt, self.decrypt = aes.encryptor().update, aes.decryptor().update
        self.constants = [
            int.from_bytes(aes.encryptor().update(b"tweak constant" + bit.to_bytes(2, "little")), "little")
            for bit in range(52)
        ]

    def crypt(self, cipher: Callable[[bytes], bytes], block: bytes | bytearray, address: int) -> bytes:
        """Encrypt or decrypt one block."""
        tweak = 0
        for bit in range(4, 52):
            if address >> bit & 1:
                tweak ^= self.constants[bit]
        inner = cipher((int.from_bytes(block, "little") ^ tweak).to_bytes(16, "little"))
        return (int.from_bytes(inner, "little") ^ tweak).to_bytes(16, "little")

    def read(self, gpa: int, length: int, cbit: CBit) -> bytes:
        """Read through that C-bit."""
        if cbit is CLEAR:
            return bytes(self.dram[gpa : gpa + length])
        first = gpa & ~15
        blocks = [self.crypt(self.decrypt, self.dram[at : at + 16], at) for at in range(first, gpa + length, 16)]
        return b"".join(blocks)[gpa - first : gpa - first + length]

    def write(self, gpa: int, data: bytes, cbit: CBit) -> None:
        """Write through that C-bit."""
        if cbit is CLEAR:
            self.dram[gpa : gpa + len(data)] = data
            return
        first, behind = gpa & ~15, (gpa + len(data) + 15) & ~15
        plain = bytearray(self.read(first, behind - first, SET))
        plain[gpa - first : gpa - first + len(data)] = data
        for at in range(first, behind, 16):
            self.dram[at : at + 16] = self.crypt(self.encrypt, plain[at - first : at - first + 16], at)

    def spans(self, gva: int, length: int) -> list[tuple[int, int, CBit]]:
        """Cut an access at page boundaries and translate each part."""
        spans = []
        while length:
            page, offset = divmod(gva, PAGE_SIZE)
            frame, cbit = self.tlb.setdefault(page, self.leaves[page])
            count = min(length, PAGE_SIZE - offset)
            spans.append((frame * PAGE_SIZE + offset, count, cbit))
            gva, length = gva + count, length - count
        return spans


places = st.tuples(st.booleans(), st.integers(0, PAGES * PAGE_SIZE - 1))
lengths = st.one_of(st.integers(0, 40), st.integers(0, 3 * PAGE_SIZE), st.sampled_from([16, PAGE_SIZE]))
steps = st.one_of(
    st.tuples(st.sampled_from(["read", "fetch", "write", "write"]), places, lengths),
    st.tuples(st.sampled_from(["host read", "host write"]), places, lengths),
    st.tuples(st.sampled_from([SET, CLEAR]), places, st.integers(1, PAGES)),
    st.tuples(st.sampled_from(["flush", "dump", "aligned write"]), places, st.just(PAGE_SIZE)),
)


@settings(deadline=None, max_examples=120)
@given(position=st.sampled_from([47, 51]), script=st.lists(steps, max_size=30))
def test_all_is_as_if_each_access_went_through_the_cipher_block_by_block(
    position: int, script: list[tuple[str | CBit, tuple[bool, int], int]]
) -> None:
    """Whatever guest, host and page tables do, in whatever order, reads and DRAM are as those of the naive machine."""
    naive, mmu = NaiveMachine(), make(position)
    for number, (act, (alias, gpa), wanted) in enumerate(script):
        length = min(wanted, PAGES * PAGE_SIZE - gpa)
        data = bytes((number * 31 + at * 7) & 0xFF for at in range(length))
        gva = Gva(gpa + ALIAS * alias)
        if act == "read":
            assert mmu.read(gva, length) == b"".join(naive.read(*span) for span in naive.spans(gva, length))
        elif act == "fetch":
            spans = naive.spans(gva, length)
            assert mmu.fetch(gva, length) == b"".join(naive.read(start, count, SET) for start, count, _ in spans)
        elif act == "write":
            assert mmu.write(gva, data)
            at = 0
            for start, count, cbit in naive.spans(gva, length):
                naive.write(start, data[at : at + count], cbit)
                at += count
        elif act == "aligned write":
            whole, start = bytes([number]) * PAGE_SIZE, gpa & -PAGE_SIZE
            assert mmu.write(Gva(gva & -PAGE_SIZE), whole)
            naive.write(start, whole, naive.spans(gva & -PAGE_SIZE, PAGE_SIZE)[0][2])
        elif act == "host read":
            assert mmu.ram.read_host(Gpa(gpa), length) == naive.read(gpa, length, CLEAR)
        elif act == "host write":
            mmu.ram.write_host(Gpa(gpa), data)
            naive.write(gpa, data, CLEAR)
        elif act == "flush":
            mmu.flush_tlb()
            naive.tlb.clear()
        elif act == "dump":
            assert dumped(mmu.ram) == naive.dram
        else:
            assert isinstance(act, CBit)
            pages = min(wanted, PAGES - gpa // PAGE_SIZE)
            mmu.tables.set_cbit(Gva(gva & -PAGE_SIZE), pages, act)
            for page in range(gva // PAGE_SIZE, gva // PAGE_SIZE + pages):
                naive.leaves[page] = (naive.leaves[page][0], act)
    assert dumped(mmu.ram) == naive.dram


def dumped(ram: EncryptedRam) -> bytes:
    """Give the data pages as a dump has them; what it leaves out was never written."""
    dram = bytearray(SIZE)
    for start, run in ram.dump():
        dram[start : start + len(run)] = run
    return bytes(dram[: PAGES * PAGE_SIZE])


@pytest.mark.parametrize("write_alias", [0, ALIAS])
@pytest.mark.parametrize("read_alias", [0, ALIAS])
def test_the_cbit_of_the_address_used_decides(write_alias: int, read_alias: int) -> None:
    """Two addresses of one page may differ in C: what one wrote is read back through a C-bit alike only."""
    mmu = make()
    mmu.write(Gva(write_alias + 0x1000), b"sixteen bytes...")
    assert (mmu.read(Gva(read_alias + 0x1000), 16) == b"sixteen bytes...") is (write_alias == read_alias)
    assert (mmu.ram.read_host(Gpa(0x1000), 16) == b"sixteen bytes...") is (write_alias == ALIAS)


@pytest.mark.parametrize("alias", [0, ALIAS])
def test_a_fetch_is_private_whatever_the_cbit(alias: int) -> None:
    """Code written through C=1 is fetched rightly through either address, code written through C=0 through none."""
    mmu = make()
    mmu.write(Gva(0x1FF8), b"instructions....")
    assert mmu.fetch(Gva(alias + 0x1FF8), 16) == b"instructions...."
    mmu.write(Gva(ALIAS + 0x3000), b"instructions....")
    assert mmu.fetch(Gva(alias + 0x3000), 16) != b"instructions...."


def test_a_stale_translation_is_used_until_the_tlb_is_flushed() -> None:
    """A C-bit that changed acts on an address already used only after a flush, on others at once."""
    mmu = make()
    mmu.write(Gva(0x1000), b"first")
    mmu.tables.set_cbit(Gva(0x1000), 2, CLEAR)
    mmu.write(Gva(0x1000), b"still encrypted")
    mmu.write(Gva(0x2000), b"plain")
    assert mmu.ram.read_host(Gpa(0x1000), 15) != b"still encrypted"
    assert mmu.ram.read_host(Gpa(0x2000), 5) == b"plain"
    assert translated(mmu, 0x1000).cbit is SET
    mmu.flush_tlb()
    assert translated(mmu, 0x1000).cbit is CLEAR
    mmu.write(Gva(0x1000), b"now plain")
    assert mmu.ram.read_host(Gpa(0x1000), 9) == b"now plain"


def test_clearing_the_cbit_alone_exposes_nothing() -> None:
    """Exposure begins when the guest rewrites the bytes through C=0, not when the C-bit changes."""
    mmu = make()
    mmu.write(Gva(0x1000), b"a secret of them")
    before = mmu.ram.read_host(Gpa(0x1000), PAGE_SIZE)
    mmu.tables.set_cbit(Gva(0x1000), 1, CLEAR)
    mmu.flush_tlb()
    assert mmu.ram.read_host(Gpa(0x1000), PAGE_SIZE) == before
    mmu.write(Gva(0x1000), b"a secret of them")
    assert mmu.ram.read_host(Gpa(0x1000), 16) == b"a secret of them"


def test_new_page_tables_encrypt_nothing() -> None:
    """After a switch to tables with C=1 everywhere, plaintext stays plain in DRAM and the guest reads garbage."""
    mmu = make()
    mmu.write(Gva(ALIAS + 0x1000), b"left behind.....")
    tables = PageTables(mmu.ram, allocator(LARGE_PAGE + (64 << 12)))
    tables.map_identity(SIZE, SET)
    mmu.load_cr3(tables)
    assert mmu.ram.read_host(Gpa(0x1000), 16) == b"left behind....."
    assert mmu.read(Gva(0x1000), 16) != b"left behind....."
    assert mmu.read(Gva(ALIAS + 0x1000), 16) is None
    mmu.write(Gva(0x1000), b"encrypted now...")
    assert mmu.ram.read_host(Gpa(0x1000), 16) != b"encrypted now..."


def test_switching_page_tables_flushes_the_tlb() -> None:
    """An address used before the switch is translated anew."""
    mmu = make()
    mmu.read(Gva(0x1000), 1)
    tables = PageTables(mmu.ram, allocator(LARGE_PAGE + (64 << 12)))
    tables.map_page(Gva(0x1000), Gpa(0x3000), CLEAR)
    mmu.load_cr3(tables)
    assert (translated(mmu, 0x1000).frame, translated(mmu, 0x1000).cbit) == (0x3000, CLEAR)


def test_an_access_that_faults_on_its_second_page_writes_nothing() -> None:
    """A write over the end of what is mapped leaves the first page as it was; reads and fetches give nothing."""
    mmu = make()
    end = ALIAS + PAGES * PAGE_SIZE
    assert not mmu.write(Gva(end - 4), b"12345")
    assert mmu.read(Gva(end - 4), 4) == bytes(4)
    assert mmu.read(Gva(end - 4), 5) is None
    assert mmu.fetch(Gva(end - 4), 5) is None
    assert mmu.write(Gva(end - 4), b"1234")


def test_an_unmapped_address_faults() -> None:
    """Data accesses, fetches and translation of an absent page are page faults, and are tried anew each time."""
    mmu = make()
    gva = Gva(ALIAS + PAGES * PAGE_SIZE)
    assert mmu.translate(gva) is None
    assert mmu.read(gva, 1) is None
    assert mmu.fetch(gva, 1) is None
    assert not mmu.write(gva, b"x")
    mmu.tables.map_page(gva, Gpa(0), SET)
    assert mmu.write(gva, b"x")


def test_page_tables_edited_through_clear_fault() -> None:
    """The guest that writes its own tables through C=0 loses the pages below them, once the TLB is flushed."""
    mmu = make()
    entry = translated(mmu, 0x1000).entry
    mmu.ram.write_raw(entry, bytes([0x83]))
    assert mmu.read(Gva(0x1000), 1) is not None
    mmu.flush_tlb()
    assert mmu.read(Gva(0x1000), 1) is None


def test_an_access_of_no_bytes_never_faults() -> None:
    """Nothing is read or written where nothing is asked for."""
    mmu = make()
    assert mmu.read(Gva(1 << 46), 0) == mmu.fetch(Gva(1 << 46), 0) == b""
    assert mmu.write(Gva(1 << 46), b"")


def test_a_negative_length_is_refused() -> None:
    """A length below zero is an error of the caller."""
    with pytest.raises(ValueError, match=r"^an access has a length of 0 or more bytes, not -1$"):
        make().read(Gva(0), -1)


def translated(mmu: Mmu, gva: int) -> Translation:
    """Translate what is known to be mapped."""
    page = mmu.translate(Gva(gva))
    assert page is not None
    return page
