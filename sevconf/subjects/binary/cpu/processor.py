"""
The processor: Unicorn, whose TLB is filled by walking the guest's own page tables.

RAM is mapped twice, raw and private (`EncryptedRam` keeps both forms of a page). A fill asks the reference machine's
MMU for the translation and lends the processor that form of the page which the C-bit of the leaf entry, or a fetch,
calls for. So loads and stores run at full speed, aliases see what they would see, and a translation that nobody flushed
stays in force. Two forms of one page are never lent at once: who asks for the other one loses the first.

A binary flushes by writing CR3 or CR4, or by INVLPG: the processor looks where its code has these, and then the
machine's TLB is flushed too. The processor stops at HLT, which service stubs are made of, at an instruction that the
platform answers (RDMSR, WRMSR, RDTSC), at a fault, and at its limits.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst`; AMD64 Architecture Programmer's Manual, volume 2, 5.5
(the TLB may drop entries at any time).
Left out: interrupts in the midst of code; privilege; protection by page tables (firmware's own is kept instead, by
`Permission`); accessed and dirty bits.
"""

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

import unicorn
from unicorn import unicorn_const as uc_const
from unicorn import x86_const as x86

from sevconf.model.mmu import Mmu
from sevconf.subjects.binary.cpu.table_watch import Change, TableWatch
from sevconf.vocabulary import PAGE_SIZE, CBit, Gpa, Gva

#: Where the raw form of RAM begins in Unicorn's physical space.
RAW = 1 << 40
#: Long mode with paging and write protection, as firmware leaves it.
CR0 = 0x8001_0033
#: Instructions that one entry of the processor may take: a fraction of a second.
BUDGET = 10_000_000
#: Instructions that the platform answers, by their bytes.
ANSWERED = {b"\x0f\x32": "RDMSR", b"\x0f\x30": "WRMSR", b"\x0f\x31": "RDTSC", b"\x0f\x01\xf9": "RDTSCP"}
#: Instructions that flush the TLB, or a page of it, without prefixes: MOV to CR3 or CR4, and INVLPG.
FLUSHES = re.compile(rb"\x0f(?:\x22[\xd8-\xe7]|\x01[\x38-\x3f\x78-\x7f\xb8-\xbf])")
LENGTHS = {name: len(pattern) for pattern, name in ANSWERED.items()}

_WRITE, _FETCH = uc_const.UC_MEM_WRITE, uc_const.UC_MEM_FETCH
_READ = uc_const.UC_MEM_READ
_ACCESSES = {_READ: "reads", _WRITE: "writes", _FETCH: "executes"}
#: What Unicorn has to grant for each access.
_WANTED = {_READ: uc_const.UC_PROT_READ, _WRITE: uc_const.UC_PROT_WRITE, _FETCH: uc_const.UC_PROT_EXEC}
_PAGE_SHIFT = 12
_REX = 0x40
#: Bytes of address space for translated code: Unicorn's own choice is all that a worker may have.
_TRANSLATED = 32 << 20

_NAMES = ("rax", "rbx", "rcx", "rdx", "rsp", "r8", "r9", "rip", "rflags", "cr3")
#: Registers by name, in Unicorn's numbers.
REGISTERS = {name: getattr(x86, f"UC_X86_REG_{name.upper()}") for name in (*_NAMES, "cr0")}
INTERRUPTS_ON = 1 << 9
#: Interrupts on, and the bit that is always one.
_RFLAGS = INTERRUPTS_ON | 1 << 1


class Permission(Flag):
    """What a page lets the processor do beside reading."""

    READ = 0
    WRITE = auto()
    EXECUTE = auto()


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that the processor wrote through C=0, one store behind the other, from the instruction at `rip` on."""

    gpa: Gpa
    length: int
    rip: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the processor stopped: at HLT (`fault` empty), at an instruction to be answered, or at a fault, in words."""

    rip: int
    instruction: str = ""
    fault: str = ""


class Processor:
    """
    One processor, on an MMU; `permissions` are those of pages that hold code, all others are data.

    `heard` is called when the processor has stopped, with what it changed and wrote: C-bits and plain bytes, in order.
    """

    def __init__(self, mmu: Mmu, heard: Callable[[tuple[Change | Write, ...]], None]) -> None:
        self.permissions: dict[int, Permission] = {}
        self._mmu = mmu
        self._heard = heard
        self._watch = TableWatch(mmu)
        #: What becomes of a change of C-bits: the part of it that stands, the rest is undone.
        self.amend: Callable[[Change], tuple[Change, ...]] | None = None
        self._acts: list[Change | Write] = []
        #: What the TLB holds: Unicorn's permissions by page of an address, and the form of each page of RAM.
        self._granted: dict[int, int] = {}
        self._lent: dict[Gpa, CBit] = {}
        #: Pages of RAM by their places in its maps, as far as they were ever lent.
        self._gpas: dict[int, Gpa] = {}
        self._windows: list[range] = []
        self._guest_flushed = False
        self._fault = ""
        self._error: BaseException | None = None
        self._at = ""
        self._uc: Any = unicorn.Uc(uc_const.UC_ARCH_X86, uc_const.UC_MODE_64)
        self._uc.ctl_set_tcg_buffer_size(_TRANSLATED)
        raw, private = mmu.ram.forms
        for base, form in ((0, private), (RAW, raw)):
            place = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(form)))
            self._uc.mem_map_ptr(base, len(form), uc_const.UC_PROT_ALL, place)
        self._uc.ctl_set_tlb_mode(uc_const.UC_TLB_VIRTUAL)
        self._uc.ctl_exits_enabled(True)
        self._hook(uc_const.UC_HOOK_TLB_FILL, self._fill)
        self._hook(uc_const.UC_HOOK_MEM_WRITE, self._wrote, begin=RAW, end=RAW + len(raw) - 1)
        self.write("cr0", CR0)
        self.write("rflags", _RFLAGS)
        self._cr3 = 0

    # Registers and hooks

    def read(self, register: str) -> int:
        """Read a register."""
        return int(self._uc.reg_read(REGISTERS[register]))

    def write(self, register: str, value: int) -> None:
        """Write a register."""
        self._uc.reg_write(REGISTERS[register], value)

    def on_cpuid(self, answer: Callable[[int, int], tuple[int, int, int, int]]) -> None:
        """Let `answer` say what CPUID leaves hold, by EAX and ECX."""

        def cpuid(*_: object) -> int:
            for name, value in zip(
                ("rax", "rbx", "rcx", "rdx"),
                answer(self.read("rax") & 0xFFFF_FFFF, self.read("rcx") & 0xFFFF_FFFF),
                strict=True,
            ):
                self.write(name, value)
            return 1

        self._hook(uc_const.UC_HOOK_INSN, cpuid, instruction=x86.UC_X86_INS_CPUID)

    def on_ports(self, read: Callable[[int, int], int | None], write: Callable[[int, int, int], bool]) -> None:
        """Serve I/O ports: by port and width in bytes, and the value written; None and False are no such port."""

        def port_in(_uc: object, port: int, width: int, _: object) -> int:
            value = self._guarded(read, port, width)
            if value is None:
                self._stop(f"reads I/O port {port:#x}, which the platform does not declare")
                return 0
            return int(value)

        def port_out(_uc: object, port: int, width: int, value: int, _: object) -> None:
            if not self._guarded(write, port, width, value):
                self._stop(f"writes I/O port {port:#x}, which the platform does not declare")

        self._hook(uc_const.UC_HOOK_INSN, port_in, instruction=x86.UC_X86_INS_IN)
        self._hook(uc_const.UC_HOOK_INSN, port_out, instruction=x86.UC_X86_INS_OUT)

    def answer_instructions(self, start: int, code: bytes) -> None:
        """Stop before each instruction of `ANSWERED` in code that lies at `start`, and hear of those of `FLUSHES`."""
        for pattern, name in ANSWERED.items():
            at = code.find(pattern)
            while at >= 0:

                def stop(_uc: object, _address: int, _size: int, _data: object, name: str = name) -> None:
                    self._at = name
                    self._uc.emu_stop()

                self._hook(uc_const.UC_HOOK_CODE, stop, begin=start + at, end=start + at)
                at = code.find(pattern, at + 1)
        for found in FLUSHES.finditer(code):
            at = found.start()
            prefixed = at > 0 and code[at - 1] & 0xF0 == _REX
            self._hook(uc_const.UC_HOOK_CODE, self._flushes, begin=start + at - prefixed, end=start + at)

    def _flushes(self, *_: object) -> None:
        self._guest_flushed = True

    def window(
        self, start: int, size: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
    ) -> None:
        """Put registers into the address space, outside RAM, one to one: by offset and width, and the value written."""
        self._uc.mmio_map(
            start,
            size,
            lambda _uc, offset, width, _: read(offset, width),
            None,
            lambda _uc, offset, width, value, _: write(offset, width, value),
            None,
        )
        self._windows.append(range(start, start + size))

    def _hook(
        self, kind: int, callback: Callable[..., Any], *, begin: int = 1, end: int = 0, instruction: int = 0
    ) -> None:
        self._uc.hook_add(kind, callback, None, begin, end, instruction)

    # Running

    def run(self, rip: int) -> Stop:
        """Run from `rip` until something stops the processor."""
        self._fault, self._at = "", ""
        self._forget()
        if self._mmu.tables.root != self._cr3:
            self._cr3 = int(self._mmu.tables.root)
            self.write("cr3", self._cr3 | 1 << self._mmu.tables.cbit_position)
        self._watch.begin()
        trouble = ""
        try:
            self._uc.emu_start(rip, 0, 0, BUDGET)
        except unicorn.UcError as error:
            trouble = _in_words(error)
        if self._error is not None:
            raised, self._error = self._error, None
            raise raised
        if self._guest_flushed:
            self._guest_flushed = False
            self._mmu.flush_tlb()
        self._acts += self._changes()
        acts, self._acts = tuple(self._acts), []
        self._mmu.ram.given_back()
        stop = self._why(self.read("rip"), trouble)
        self._heard(acts)
        return stop

    def _why(self, rip: int, trouble: str) -> Stop:
        if self._fault or trouble:
            return Stop(rip, fault=self._fault or trouble)
        if self._at:
            return Stop(rip, instruction=self._at)
        if self._mmu.fetch(Gva(rip - 1), 1) != b"\xf4":
            return Stop(rip, fault=f"runs for {BUDGET} instructions without an end")
        return Stop(rip)

    def _stop(self, fault: str) -> None:
        self._fault = self._fault or fault
        self._uc.emu_stop()

    def _guarded(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call code of ours inside of Unicorn, which would swallow what it raises."""
        try:
            return function(*arguments)
        except BaseException as error:  # noqa: BLE001 -- raised again when the processor has stopped
            self._error = self._error or error
            self._uc.emu_stop()
            return 0

    # Memory

    def _forget(self) -> None:
        self._uc.ctl(uc_const.UC_CTL_TLB_FLUSH, uc_const.UC_CTL_IO_WRITE)
        self._granted.clear()
        self._lent.clear()

    def _fill(self, _uc: object, address: int, access: int, entry: Any, _: object) -> bool:
        return bool(self._guarded(self._filled_in, address, access, entry))

    def _filled_in(self, address: int, access: int, entry: Any) -> bool:
        number = address >> _PAGE_SHIFT
        wanted = _WANTED[access]
        if self._guest_flushed:
            self._guest_flushed = False
            self._flushed_by_guest()
        if any(address in window for window in self._windows):
            entry.paddr, entry.perms = number << _PAGE_SHIFT, uc_const.UC_PROT_READ | uc_const.UC_PROT_WRITE
            return True
        page = self._mmu.translate(Gva(address))
        if page is None:
            self._fault = self._fault or f"{_ACCESSES[access]} {address:#x}, where nothing is mapped"
            return False
        if wanted & uc_const.UC_PROT_EXEC and Permission.EXECUTE not in self._permission(number):
            self._fault = self._fault or f"executes {address:#x}, which is no code"
            return False
        if wanted & uc_const.UC_PROT_WRITE and Permission.WRITE not in self._permission(number):
            self._fault = self._fault or f"writes {address:#x}, which may not be written"
            return False
        gpa = Gpa(page.gpa(Gva(address)) // PAGE_SIZE * PAGE_SIZE)
        cbit = CBit.SET if access == _FETCH else page.cbit
        if self._lent.get(gpa, cbit) is not cbit:
            self._forget()
        self._lent[gpa] = cbit
        if access == _WRITE:
            self._watch.writing(gpa)
        place = self._mmu.ram.lend(gpa, cbit, write=access == _WRITE)
        self._gpas[place] = gpa
        # What a fetch finds is what a load through C=1 would.
        readable = access != _FETCH or page.cbit is CBit.SET
        granted = self._granted.get(number, 0) | wanted | (uc_const.UC_PROT_READ if readable else 0)
        self._granted[number] = granted
        entry.paddr = place if cbit is CBit.SET else RAW + place
        entry.perms = granted
        return True

    def _permission(self, number: int) -> Permission:
        return self.permissions.get(number, Permission.WRITE)

    def _flushed_by_guest(self) -> None:
        self._acts += self._changes()
        self._forget()
        self._mmu.flush_tlb()
        cr3 = self.read("cr3") & ~(1 << self._mmu.tables.cbit_position) & ~(PAGE_SIZE - 1)
        if cr3 != self._cr3:
            self._fault = self._fault or f"loads CR3 with page tables of its own, at {cr3:#x}, which are not followed"
            self._uc.emu_stop()

    def _changes(self) -> tuple[Change, ...]:
        """Return what changed in the page tables, after what is undone of it."""
        changes = self._watch.changes()
        if self.amend is None:
            return changes
        standing = tuple(part for change in changes for part in self.amend(change))
        kept = {page for part in standing for page in part.addresses}
        for change in changes:
            for page in change.addresses:
                if page not in kept:
                    self._mmu.tables.set_cbit(page, 1, CBit.CLEAR if change.cbit is CBit.SET else CBit.SET)
        self._watch.changes()
        return standing

    def _wrote(self, _uc: object, _access: int, address: int, size: int, *_: object) -> None:
        offset = address % PAGE_SIZE
        gpa = self._gpas[address - RAW - offset] + offset
        last = self._acts[-1] if self._acts else None
        if isinstance(last, Write) and last.gpa + last.length == gpa:
            self._acts[-1] = Write(last.gpa, last.length + size, last.rip)
        else:
            self._acts.append(Write(Gpa(gpa), size, self.read("rip")))


def _in_words(error: Any) -> str:
    words = {
        uc_const.UC_ERR_INSN_INVALID: "executes an instruction that there is not",
        uc_const.UC_ERR_EXCEPTION: "takes an exception of the processor, which firmware has no handler for",
    }
    return words.get(error.errno, f"stops the processor: {error}")
