"""
The emulated processor against the reference machine's encrypted RAM: same accesses, same bytes, in DRAM and out of it.

The driven machine code is a few bytes: loads, stores and a flush, one instruction a time or several in one run.
"""

import struct
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.model.machine import ALIASES, RAM_SIZE, ReferenceMachine
from sevconf.subjects.binary.cpu.processor import Permission, Processor, Stop, Write
from sevconf.subjects.binary.cpu.table_watch import Change
from sevconf.vocabulary import PAGE_SIZE, CBit, Gpa, Gva, MachineKind

#: Where code lies, each run's behind the last one's, for translated code is not looked at again.
CODE = RAM_SIZE - 16 * PAGE_SIZE
#: The pages that are played with, and their second addresses with the other C-bit.
PAGES = 0x200_0000
COUNT = 3
ALIAS = ALIASES
#: Where what was loaded is put: one private page.
OUT = PAGES + 16 * PAGE_SIZE

_LOAD, _STORE = b"\x48\xa1", b"\x48\xa3"  # mov rax, [address]; mov [address], rax
_SET_RAX, _HALT = b"\x48\xb8", b"\xf4"
_FLUSH = b"\x0f\x20\xd8\x0f\x22\xd8"  # mov rax, cr3; mov cr3, rax


@dataclass(frozen=True)
class Act:
    """One access: at which page, by its alias or not, at which offset, and what is stored (None: a load)."""

    page: int
    alias: bool
    offset: int
    value: int | None


@dataclass(frozen=True)
class Flip:
    """The C-bit of a page's own entry changes, and the TLB is flushed."""

    page: int
    cbit: CBit


@dataclass(frozen=True)
class Host:
    """The host writes DRAM."""

    page: int
    offset: int
    data: bytes


_PAGE = st.integers(0, COUNT - 1)
_OFFSET = st.integers(0, PAGE_SIZE - 8)
ACTS = st.builds(Act, _PAGE, st.booleans(), _OFFSET, st.none() | st.integers(0, 2**64 - 1))
FLIPS = st.builds(Flip, _PAGE, st.sampled_from(CBit))
HOSTS = st.builds(Host, _PAGE, _OFFSET, st.binary(min_size=1, max_size=8))
RUNS = st.lists(st.lists(ACTS | FLIPS, min_size=1, max_size=5) | HOSTS, min_size=1, max_size=8)


class Pair:
    """Two machines of one seed: on one the processor acts, on the other the model's MMU."""

    def __init__(self) -> None:
        self.emulated, self.plain = (ReferenceMachine(MachineKind.SEV, 7) for _ in range(2))
        self.heard: list[Change | Write] = []
        self.processor = Processor(self.emulated.mmu, self.heard.extend)
        self._next = CODE
        for page in range(CODE // PAGE_SIZE, RAM_SIZE // PAGE_SIZE):
            self.processor.permissions[page] = Permission.EXECUTE
        for machine in (self.emulated, self.plain):
            for page in range(COUNT):
                gva = Gva(PAGES + page * PAGE_SIZE)
                machine.mmu.tables.map_page(gva, Gpa(gva), CBit.SET)
                machine.mmu.tables.map_page(Gva(ALIAS + page * PAGE_SIZE), Gpa(gva), CBit.CLEAR)
                machine.mmu.write(gva, bytes([page + 1]) * PAGE_SIZE)
            machine.mmu.flush_tlb()

    def play(self, run: list[Act | Flip]) -> None:
        """Play a run on both, and compare what was loaded."""
        code = b""
        loads: list[bytes | None] = []
        for act in run:
            code += self._code(act, len(loads))
            if isinstance(act, Flip):
                self._flip_plain(act)
            elif act.value is None:
                loads.append(self.plain.mmu.read(Gva(_address(act)), 8))
            else:
                self.plain.mmu.write(Gva(_address(act)), struct.pack("<Q", act.value))
        self.run(code)
        assert [self.emulated.mmu.read(Gva(OUT + 8 * number), 8) for number in range(len(loads))] == loads

    def run(self, code: bytes) -> None:
        """Run code on the emulated machine alone."""
        start, self._next = self._next, self._next + len(code) + len(_HALT)
        self.emulated.mmu.write(Gva(start), code + _HALT)
        self.processor.answer_instructions(start, code)
        stop = self.processor.run(start)
        assert (stop.fault, stop.rip) == ("", self._next)

    def _code(self, act: Act | Flip, loads: int) -> bytes:
        if isinstance(act, Flip):
            where, entry = self._entry(self.plain, act)
            return _SET_RAX + struct.pack("<Q", entry) + _STORE + struct.pack("<Q", where) + _FLUSH
        address = struct.pack("<Q", _address(act))
        if act.value is None:
            return _LOAD + address + _STORE + struct.pack("<Q", OUT + 8 * loads)
        return _SET_RAX + struct.pack("<Q", act.value) + _STORE + address

    def _entry(self, machine: ReferenceMachine, flip: Flip) -> tuple[Gpa, int]:
        tables = machine.mmu.tables
        found = tables.walk(Gva(PAGES + flip.page * PAGE_SIZE))
        assert found is not None
        mask = 1 << tables.cbit_position
        entry = tables.read_entry(found.entry) & ~mask
        return found.entry, entry | (mask if flip.cbit is CBit.SET else 0)

    def _flip_plain(self, flip: Flip) -> None:
        where, entry = self._entry(self.plain, flip)
        self.plain.mmu.tables.write_entry(where, entry)
        self.plain.mmu.flush_tlb()

    def host(self, act: Host) -> None:
        """Let the host write on both."""
        for machine in (self.emulated, self.plain):
            machine.ram.write_host(Gpa(PAGES + act.page * PAGE_SIZE + act.offset), act.data)

    def compare(self) -> None:
        """Compare DRAM, and what the C-bits are."""
        span = COUNT * PAGE_SIZE
        assert self.emulated.ram.read_host(Gpa(PAGES), span) == self.plain.ram.read_host(Gpa(PAGES), span)
        cbits = [m.mmu.tables.leaf_cbits(Gva(PAGES), COUNT) for m in (self.emulated, self.plain)]
        assert cbits[0] == cbits[1]


def _address(act: Act) -> int:
    return (ALIAS if act.alias else PAGES) + act.page * PAGE_SIZE + act.offset


@settings(max_examples=25, deadline=None)
@given(RUNS)
def test_every_access_is_the_reference_rams(runs: list[list[Act | Flip] | Host]) -> None:
    """
    Loads, stores, aliases of both C-bits, changes of C-bits and the host's writes come to the same bytes.

    Whatever is in one run or in several.
    """
    pair = Pair()
    for run in runs:
        if isinstance(run, Host):
            pair.host(run)
        else:
            pair.play(run)
        pair.compare()


@settings(max_examples=50, deadline=None)
@given(st.lists(ACTS | FLIPS, min_size=1, max_size=8))
def test_what_is_told_is_what_happened(run: list[Act | Flip]) -> None:
    """Changes of C-bits are told if they are changes, and stores through C=0 where they were, in order."""
    pair = Pair()
    expected: list[tuple[str, int, CBit | int]] = []
    cbits = dict.fromkeys(range(COUNT), CBit.SET)
    for act in run:
        if isinstance(act, Flip):
            if cbits[act.page] is not act.cbit:
                expected.append(("cbit", PAGES + act.page * PAGE_SIZE, act.cbit))
            cbits[act.page] = act.cbit
        elif act.value is not None and (act.alias or cbits[act.page] is CBit.CLEAR):
            expected.append(("write", PAGES + act.page * PAGE_SIZE + act.offset, 8))
    pair.play(run)
    told = [
        ("cbit", int(act.gpa), act.cbit) if isinstance(act, Change) else ("write", int(act.gpa), act.length)
        for act in pair.heard
    ]
    assert told == expected


def test_a_translation_that_nobody_flushed_stays_in_force() -> None:
    """An entry that was changed without a flush is not used yet, within a run and behind it."""
    pair = Pair()
    where, entry = pair._entry(pair.plain, Flip(0, CBit.CLEAR))
    store = _SET_RAX + struct.pack("<Q", 0x1122_3344) + _STORE + struct.pack("<Q", PAGES)
    change = _SET_RAX + struct.pack("<Q", entry) + _STORE + struct.pack("<Q", where)
    pair.run(store + change + store)
    assert pair.emulated.ram.read_host(Gpa(PAGES), 4) != b"\x44\x33\x22\x11"
    pair.run(store)
    assert pair.emulated.ram.read_host(Gpa(PAGES), 4) != b"\x44\x33\x22\x11"
    pair.run(_FLUSH + store)
    assert pair.emulated.ram.read_host(Gpa(PAGES), 4) == b"\x44\x33\x22\x11"


def test_code_is_fetched_through_the_cipher() -> None:
    """Code in a page whose C-bit is clear is decrypted on its way, as data there are not."""
    pair = Pair()
    pair.emulated.mmu.tables.set_cbit(Gva(CODE), 1, CBit.SET)
    pair.emulated.mmu.write(Gva(CODE), _HALT)
    pair.emulated.guest.set_cbit(Gva(CODE), 1, CBit.CLEAR)
    assert pair.emulated.mmu.read(Gva(CODE), 1) != _HALT
    assert pair.processor.run(CODE) == Stop(CODE + 1)
