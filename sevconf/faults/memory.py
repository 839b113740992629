"""Encrypted RAM, MMU and host with one bug each: they prove the rules on the reference machine itself."""

from collections.abc import Iterable, Iterator

from sevconf.faults.fault import Fault
from sevconf.model.cipher import BLOCK_SIZE, MemoryCipher
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.hypervisor import Hypervisor
from sevconf.model.mmu import Mmu
from sevconf.model.page_table import PageTables, Translation
from sevconf.model.parts import Parts
from sevconf.vocabulary import HUGE_PAGE, PAGE_SIZE, CBit, Gpa, Gva, Party


class LastWriterRam(EncryptedRam):
    """Keeps which pages were last written through the cipher; no bug yet."""

    def __init__(self, size: int, key: bytes, far: tuple[int, int] | None = None) -> None:
        super().__init__(size, key, far)
        self.by_cipher: set[int] = set()
        self.clear: set[int] = set()

    def write_private(self, gpa: Gpa, data: bytes) -> None:
        """Write, and note it."""
        super().write_private(gpa, data)
        self.by_cipher.update(range(gpa // PAGE_SIZE, (gpa + len(data) - 1) // PAGE_SIZE + 1))

    def write_raw(self, gpa: Gpa, data: bytes) -> None:
        """Write, and note it."""
        super().write_raw(gpa, data)
        self.by_cipher.difference_update(range(gpa // PAGE_SIZE, (gpa + len(data) - 1) // PAGE_SIZE + 1))

    def cbit_changed(self, gpa: Gpa, size: int, cbit: CBit) -> None:
        """Note the C-bit of today."""
        pages = range(gpa // PAGE_SIZE, (gpa + size) // PAGE_SIZE)
        (self.clear.update if cbit is CBit.CLEAR else self.clear.difference_update)(pages)


class DecryptsInPlace(LastWriterRam):
    """Decrypts a page's bytes in DRAM when its C-bit is cleared, and encrypts them when it is set."""

    def cbit_changed(self, gpa: Gpa, size: int, cbit: CBit) -> None:
        """Convert what was written, so that the guest's view stays the same."""
        super().cbit_changed(gpa, size, cbit)
        for page in range(gpa, gpa + size, PAGE_SIZE):
            if cbit is CBit.CLEAR and page // PAGE_SIZE in self.by_cipher:
                self.write_raw(Gpa(page), self.read_private(Gpa(page), PAGE_SIZE))
            elif cbit is CBit.SET and page // PAGE_SIZE not in self.by_cipher:
                self.write_private(Gpa(page), self.read_raw(Gpa(page), PAGE_SIZE))


class HostSeesByCBit(LastWriterRam):
    """Shows the host plaintext wherever the C-bit of today is clear, whoever wrote there and how."""

    def dump(self) -> Iterator[tuple[Gpa, memoryview]]:
        """Dump, with pages whose C-bit is clear decrypted."""
        for start, run in super().dump():
            data = bytearray(run)
            for page in range(start, start + len(data), PAGE_SIZE):
                if page // PAGE_SIZE in self.clear & self.by_cipher:
                    data[page - start : page - start + PAGE_SIZE] = self.read_private(Gpa(page), PAGE_SIZE)
            yield start, memoryview(bytes(data))


class LosesRestOfBlock(EncryptedRam):
    """Loses the other bytes of a 16-byte block when the guest writes a part of it through C=1."""

    def write_private(self, gpa: Gpa, data: bytes) -> None:
        """Forget what lay in the blocks at both ends; page tables, written by 8 bytes, are spared."""
        first, end = gpa // 16 * 16, -(-(gpa + len(data)) // 16) * 16
        if len(data) % 8:
            super().write_private(Gpa(first), bytes(end - first))
        super().write_private(gpa, data)


class GarblesNextBlock(EncryptedRam):
    """Lets a device's write garble the 16-byte block behind it as well."""

    def write_host(self, gpa: Gpa, data: bytes) -> None:
        """Write, and flip a bit in each byte of the next block."""
        super().write_host(gpa, data)
        behind = Gpa(-(-(gpa + len(data)) // 16) * 16)
        super().write_host(behind, bytes(b ^ 1 for b in self.read_host(behind, 16)))


class CBitOfPage(PageTables):
    """Keeps one C-bit for each physical page: the newest entry that maps it decides for all."""

    def walk(self, gva: Gva) -> Translation | None:
        """Translate with the page's C-bit."""
        found = super().walk(gva)
        if found is None:
            return None
        cbit = self._of_page().get(found.gpa(gva) // PAGE_SIZE, found.cbit)
        return Translation(found.frame, found.size, cbit, found.entry)

    def _of_page(self) -> dict[int, CBit]:
        pages: dict[int, CBit] = self.__dict__.setdefault("of_page", {})
        return pages

    def map_page(self, gva: Gva, gpa: Gpa, cbit: CBit) -> None:
        """Map, and let the page have that C-bit."""
        super().map_page(gva, gpa, cbit)
        self._of_page()[gpa // PAGE_SIZE] = cbit

    def set_cbit(self, gva: Gva, pages: int, cbit: CBit) -> None:
        """Change entries, and forget what aliases said."""
        for page in range(pages):
            found = super().walk(Gva(gva + page * PAGE_SIZE))
            if found is not None:
                self._of_page().pop(found.gpa(Gva(gva + page * PAGE_SIZE)) // PAGE_SIZE, None)
        super().set_cbit(gva, pages, cbit)


class CBitFromTables(PageTables):
    """Lets the C-bit of an entry that points to a table count for the pages below it."""

    def _leaf_cbit(self, path: tuple[int, ...]) -> CBit:
        return CBit.SET if any(entry & self._cbit_mask for entry in path) else CBit.CLEAR


class WalksAsWritten(PageTables):
    """Walks a table that was written through C=0 as it lies in DRAM, instead of through the cipher."""

    def read_entry(self, where: Gpa) -> int:
        """Read as the last writer wrote."""
        ram = self.ram
        if isinstance(ram, LastWriterRam) and where // PAGE_SIZE not in ram.by_cipher:
            return int.from_bytes(ram.read_raw(where, 8), "little")
        return super().read_entry(where)


class SplitSetsC(PageTables):
    """Sets the C-bit of all 512 pages when it splits a large one."""

    def _split(self, leaf: Translation) -> Gpa:
        table = super()._split(leaf)
        for where in range(table, table + PAGE_SIZE, 8):
            self.write_entry(Gpa(where), self._with_cbit(self.read_entry(Gpa(where)), CBit.SET))
        return table


class HugeSplitSetsC(PageTables):
    """Sets the C-bit of all 2 MiB pages when it splits one of 1 GiB."""

    def _split(self, leaf: Translation) -> Gpa:
        table = super()._split(leaf)
        if leaf.size == HUGE_PAGE:
            for where in range(table, table + PAGE_SIZE, 8):
                self.write_entry(Gpa(where), self._with_cbit(self.read_entry(Gpa(where)), CBit.SET))
        return table


class FetchesByCBit(Mmu):
    """Lets the C-bit decide about instruction fetches too."""

    def fetch(self, gva: Gva, length: int) -> bytes | None:
        """Fetch as data is read."""
        return self.read(gva, length)


class HasNoTlb(Mmu):
    """Walks the tables at each access, so that no translation is ever stale."""

    def translate(self, gva: Gva) -> Translation | None:
        """Forget, then translate."""
        self.flush_tlb()
        return super().translate(gva)


class SwitchEncrypts(Mmu):
    """Encrypts all that lies in plaintext when CR3 is loaded."""

    def load_cr3(self, tables: PageTables) -> None:
        """Rewrite what was last written as it lies, then load."""
        ram = self.ram
        if isinstance(ram, LastWriterRam):
            for start, run in [(s, bytes(r)) for s, r in ram.dump()]:
                for page in range(start, start + len(run), PAGE_SIZE):
                    if page // PAGE_SIZE not in ram.by_cipher:
                        ram.write_private(Gpa(page), run[page - start : page - start + PAGE_SIZE])
        super().load_cr3(tables)


class SearchesPageByPage(Hypervisor):
    """Searches each page for itself, and misses what lies across a boundary."""

    def runs(self) -> Iterable[tuple[Gpa, bytes]]:
        """Cut every run into pages."""
        for start, run in super().runs():
            for offset in range(0, len(run), PAGE_SIZE):
                yield Gpa(start + offset), run[offset : offset + PAGE_SIZE]


class CipherWithoutTweak(MemoryCipher):
    """Leaves the address out of the cipher."""

    @staticmethod
    def tweak_constants(key: bytes) -> list[bytes]:
        """Make every tweak zero."""
        return [bytes(BLOCK_SIZE) for _ in MemoryCipher.tweak_constants(key)]


class UntweakedRam(EncryptedRam):
    """Encrypts a block in the same way at every address, so that ciphertext can be carried elsewhere and is read."""

    cipher_type = CipherWithoutTweak


_LAST_WRITE = "what the host reads depends on the last write, not on the C-bit of today"
_NOTHING_UNTIL = "clearing the C-bit exposes nothing until the bytes are rewritten"

FAULTS = (
    Fault(
        "ram-decrypts-in-place",
        Party.MEMORY,
        Parts(ram=DecryptsInPlace),
        ("SEV-01",),
        (("SEV-05", _LAST_WRITE), ("SEV-02", "a page written with C=1 is garbage to a read through C=0")),
    ),
    Fault("host-sees-by-c-bit", Party.MEMORY, Parts(ram=HostSeesByCBit), ("SEV-05",), (("SEV-01", _NOTHING_UNTIL),)),
    Fault("c-bit-of-page", Party.MEMORY, Parts(tables=CBitOfPage), ("SEV-02",)),
    Fault("c-bit-from-tables", Party.MEMORY, Parts(tables=CBitFromTables), ("SEV-04",)),
    Fault("walks-as-written", Party.MEMORY, Parts(tables=WalksAsWritten, ram=LastWriterRam), ("SEV-03",)),
    Fault("fetches-by-c-bit", Party.MEMORY, Parts(mmu=FetchesByCBit), ("SEV-03",)),
    Fault("cipher-without-tweak", Party.MEMORY, Parts(ram=UntweakedRam), ("TM-04",)),
    Fault("loses-rest-of-block", Party.MEMORY, Parts(ram=LosesRestOfBlock), ("SEV-06",)),
    Fault("garbles-next-block", Party.MEMORY, Parts(ram=GarblesNextBlock), ("SEV-06",)),
    Fault("has-no-tlb", Party.MEMORY, Parts(mmu=HasNoTlb), ("SEV-09",)),
    Fault("split-sets-c", Party.MEMORY, Parts(tables=SplitSetsC), ("SEV-08",)),
    Fault("huge-split-sets-c", Party.MEMORY, Parts(tables=HugeSplitSetsC), ("SEV-08",)),
    Fault("switch-encrypts", Party.MEMORY, Parts(mmu=SwitchEncrypts, ram=LastWriterRam), ("SEV-07",)),
    Fault("searches-page-by-page", Party.MEMORY, Parts(hypervisor=SearchesPageByPage), ("TM-01",)),
)
