"""What goes wrong in a binary is told as its failure, with place and instruction; services do what UEFI says."""

import struct
from pathlib import Path
from typing import NoReturn

import pytest

from sevconf.errors import ForeignFailure
from sevconf.model.machine import ReferenceMachine
from sevconf.subjects.binary.abi.signatures import Flow, Kind, Signature, table
from sevconf.subjects.binary.abi.tables import BOOT_SERVICES, RUNTIME_SERVICES
from sevconf.subjects.binary.firmware.boot_services import BootServices
from sevconf.subjects.binary.firmware.runtime_services import RuntimeServices
from sevconf.subjects.binary.firmware.system import Firmware, Options
from sevconf.subjects.binary.images.files import load, place_of
from sevconf.subjects.binary.platform import era
from sevconf.subjects.binary.symbols import symbols_beside
from sevconf.trace import EventCreated, InstructionAccess, ServiceCall
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, CBit, EfiStatus, Gpa, Gva, MachineKind, Tpl

from .maker import CODE, PAGE, POINTER, Part, pe

#: sub rsp, 0x68; mov rax, [rdx + 0x60]: room for a call, and the boot services in RAX; add rsp, 0x68; ret.
_ENTER, _LEAVE = b"\x48\x83\xec\x68\x48\x8b\x42\x60", b"\x48\x83\xc4\x68\xc3"


class Judge:
    """Raises what a binary does wrong."""

    def fail(self, culprit: str, how: str) -> NoReturn:
        """Raise it."""
        raise ForeignFailure(culprit, "start", how)


def service(name: str) -> bytes:
    """Return `call [rax + offset]` of a boot service."""
    return b"\xff\x90" + struct.pack("<I", 24 + 8 * [member.name for member in BOOT_SERVICES].index(name))


def firmware(tmp_path: Path, code: bytes) -> tuple[Firmware, int]:
    """Return a firmware and the status with which an image of that code ends."""
    path = tmp_path / "x.efi"
    path.write_bytes(pe(Part(b".text", PAGE, code, CODE), POINTER))
    machine = ReferenceMachine(MachineKind.SEV, 3)
    found = Firmware(machine.core, machine.guest, Options(era("edk2-202211")), Judge())
    image = load(place_of(str(path)))
    found.where.add_symbols(image, symbols_beside(path, image.base, image.size))
    return found, found.start(found.load(image, "iommu-driver:x"))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (b"\x0f\x0b", r"executes an instruction that there is not \(at x\+0x1000: ud2\)"),
        (b"\x90\x31\xc9\xf7\xf1", r"takes an exception of the processor, .* \(at x\+0x1003: div ecx\)"),
        (b"\x48\xa1" + struct.pack("<Q", 1 << 36), r"reads 0x1000000000, where nothing is mapped \(at x\+0x1000: mov"),
        (b"\x48\xa3" + struct.pack("<Q", 1 << 36), r"writes 0x1000000000, where nothing is mapped \(at x\+0x1000: mov"),
        (b"\x48\x89\x05\xf9\xff\xff\xff", r"writes 0x[0-9a-f]+, which may not be written \(at x\+0x1000: mov qword"),
        (b"\x48\x8d\x05\xf9\x0f\x00\x00\xff\xe0", r"executes 0x[0-9a-f]+, which is no code \(at x\+0x2000"),
        (b"\xb8\x00\x00\x30\x00\xff\xe0", r"executes 0x300000, which is no code \(at 0x300000, outside of every image"),
        (b"\xeb\xfe", r"runs for 10000000 instructions without an end \(at x\+0x1000: jmp"),
        (b"\xfa\xf4", r"halts the processor with interrupts off \(at x\+0x1001: hlt\)"),
        (b"\xb9\x34\x12\x00\x00\x0f\x32", r"reads MSR 0x1234, which the platform has not \(at x\+0x1005: rdmsr\)"),
        (b"\xb9\x34\x12\x00\x00\x0f\x30", r"writes MSR 0x1234, which the platform has not \(at x\+0x1005: wrmsr\)"),
        (b"\xe4\x99", r"reads I/O port 0x99, which the platform does not declare \(at x\+0x100"),
        (b"\xe6\x99", r"writes I/O port 0x99, which the platform does not declare \(at x\+0x100"),
        (b"\x66\xba\x02\x04\xb0\x41\xee\xb0\x42\xee\x0f\x0b", r"\(at x\+0x100a: ud2\); it said 'AB'"),
        (_ENTER + b"\xb9\x14\0\0\0" + service("RaiseTPL"), r"asks for the level 20, which UEFI has not \(at x\+0x1013"),
        (
            _ENTER + b"\x48\xb9" + struct.pack("<Q", 1 << 36) + service("LocateProtocol"),
            r"passes LocateProtocol a pointer to 0x1000000000, where nothing is mapped \(at x\+0x1018",
        ),
        (b"\x48\x8d\x25\x00\x00\x00\x00\x50", r"writes 0x[0-9a-f]+, which may not be written \(at x\+0x1007: push rax"),
    ],
)
def test_failures(tmp_path: Path, code: bytes, says: str) -> None:
    """Invalid accesses and instructions, undeclared MSRs and ports, loops and wild jumps are the binary's failures."""
    with pytest.raises(ForeignFailure, match=says) as failure:
        firmware(tmp_path, code)
    assert failure.value.culprit == "iommu-driver:x"


def test_functions_come_from_the_map(tmp_path: Path) -> None:
    """A linker's map beside the file names the function."""
    lines = (
        " .text          0x0000000000401000       0x20 x.o\n                0x0000000000401000                Entry\n"
    )
    (tmp_path / "x.map").write_text(lines)
    with pytest.raises(ForeignFailure, match=r"\(at x\+0x1001 \(Entry\+0x1\): ud2\)"):
        firmware(tmp_path, b"\x90\x0f\x0b")


def test_instructions_that_the_platform_answers(tmp_path: Path) -> None:
    """CPUID names the C-bit of the machine, SEV_STATUS says SEV, the debug port is there, HLT waits for a tick."""
    leaf = b"\x53\xb8\x1f\x00\x00\x80\x0f\xa2\x89\xd8\x5b\xc3"  # push rbx; CPUID 8000_001F; mov eax, ebx
    found, answer = firmware(tmp_path, leaf)
    assert answer == found.guest.mmu.tables.cbit_position
    assert firmware(tmp_path, b"\xb9\x31\x01\x01\xc0\x0f\x32\xc3")[1] == 1
    assert firmware(tmp_path, b"\x66\xba\x02\x04\xec\x0f\xb6\xc0\xc3")[1] == 0xE9
    found, answer = firmware(tmp_path, b"\xf4\x0f\x31\xc3")
    assert (answer, found.core.events.now) == (10_000_000, 100_000)


def test_a_store_through_c0_names_its_instruction(tmp_path: Path) -> None:
    """What a binary writes through C=0 stands in the trace, as done by it, with the place of its code."""
    path = tmp_path / "x.efi"
    store = b"\xb8\x00\x00\x00\x01\xc7\x00\x44\x33\x22\x11\x31\xc0\xc3"  # mov eax, 0x1000000; mov dword [rax], …
    path.write_bytes(pe(Part(b".text", PAGE, store, CODE), POINTER))
    machine = ReferenceMachine(MachineKind.SEV, 3)
    machine.guest.set_cbit(Gva(0x100_0000), 1, CBit.CLEAR)
    found = Firmware(machine.core, machine.guest, Options(era("edk2-202211")), Judge())
    assert found.start(found.load(load(place_of(str(path))), "iommu-driver:x")) == 0
    told = [(e.actor, e.gpa, e.length, e.at) for e in machine.trace.of(InstructionAccess)]
    assert told == [("iommu-driver:x", 0x100_0000, 4, "x+0x1005")]
    assert machine.ram.read_host(Gpa(0x100_0000), 4) == b"\x44\x33\x22\x11"


def test_events_go_through_the_reference_core(tmp_path: Path) -> None:
    """An event of a binary is the core's: its notification runs at its level, with event and context, nested."""
    function = b"\x48\x89\x0a\xc3"  # mov [rdx], rcx: the event, to where the context points
    code = _ENTER + b"\x48\x89\xc3"  # mov rbx, rax
    code += b"\xb9\x00\x02\x00\x00\xba\x08\x00\x00\x00"  # type, level
    code += b"\x4c\x8d\x05" + struct.pack("<i", 0x200 - len(code) - 7)  # r8: the function
    code += b"\x41\xb9\x00\x00\x00\x01"  # r9: the context
    code += b"\x48\x8d\x44\x24\x40\x48\x89\x44\x24\x20"  # the event goes to [rsp + 0x40]
    code += b"\x48\x89\xd8" + service("CreateEvent")
    code += b"\x48\x8b\x4c\x24\x40\x48\x89\xd8" + service("SignalEvent")
    code += b"\x8b\x04\x25\x00\x00\x00\x01" + _LEAVE  # returns what the notification left there
    found, answer = firmware(tmp_path, code.ljust(0x200, b"\xcc") + function)
    trace = found.recorder.trace
    created = next(trace.of(EventCreated))
    assert (created.actor, created.type, created.notify_tpl) == ("iommu-driver:x", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK)
    assert answer == 1
    calls = [(e.actor, e.service) for e in trace.of(ServiceCall)]
    assert calls == [("iommu-driver:x", "CreateEvent"), ("iommu-driver:x", "SignalEvent")]


def test_a_missing_protocol_is_noted(tmp_path: Path) -> None:
    """A protocol that nobody has is EFI_NOT_FOUND, and a limit of the judgement."""
    guid = bytes(range(16))
    code = _ENTER + b"\x48\x8d\x0d" + struct.pack("<i", 0x100 - len(_ENTER) - 7) + b"\x31\xd2\x4c\x8d\x44\x24\x40"
    code += service("LocateProtocol") + _LEAVE
    found, answer = firmware(tmp_path, code.ljust(0x100, b"\xcc") + guid)
    assert answer == EfiStatus.NOT_FOUND
    assert [*found.missing] == ["03020100-0504-0706-0809-0a0b0c0d0e0f"]


@pytest.mark.parametrize(("members", "services"), [(BOOT_SERVICES, BootServices), (RUNTIME_SERVICES, RuntimeServices)])
def test_every_service_is_served(members: tuple[object, ...], services: type) -> None:
    """Each line of the tables has a method that takes what goes in."""
    for member in members:
        if isinstance(member, Signature):
            method = getattr(services, member.method)
            given = [p.name for p in member.parameters if p.flow is not Flow.OUT]
            names = list(method.__code__.co_varnames[1 : method.__code__.co_argcount])
            assert len(names) == len(given), member.name


def test_the_notation_of_signatures() -> None:
    """A line is read into a signature or a datum, and anything else refused."""
    (call,) = table("Map(this: UINTN, length: inout UINTN, mapping: out UINT32?) -> VOID")
    assert isinstance(call, Signature)
    assert [(p.name, p.flow, p.optional) for p in call.outputs] == [
        ("length", Flow.INOUT, False),
        ("mapping", Flow.OUT, True),
    ]
    assert (call.returns, call.method) == (Kind.VOID, "map")
    for wrong in ("Map", "Map(length)", "Map(length: LONG)", "Map() -> LONG"):
        with pytest.raises(ValueError, match="expected a"):
            table(wrong)
