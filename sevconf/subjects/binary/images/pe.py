"""
PE32+ images, by pefile; what it lets pass and a loader must not is refused here.

Spec: Microsoft PE Format; UEFI 2.10, 2.1.1 "UEFI Images".
Left out: resources, debug directories and certificates, which nobody executes.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import pefile

from sevconf.subjects.binary.images.image import JUDGED, MACHINES, SUBSYSTEMS, Image, Listed, Section

#: Bytes of the largest image that is loaded.
LARGEST = 16 << 20
#: Most sections that an image of UEFI has reason to have.
MOST_SECTIONS = 96

_PE32, _PE32_PLUS = 0x10B, 0x20B
_EXECUTE, _WRITE = 1 << 29, 1 << 31
_ABSOLUTE, _DIR64 = 0, 10
_RELOCATIONS = "IMAGE_DIRECTORY_ENTRY_BASERELOC"
_IMPORTS, _IMPORT_SIZE = 1, 20


class BadImage(Exception):
    """The bytes are no image that a loader could load; the message says what is wrong."""


def parsed(data: bytes) -> Any:
    """
    Return pefile's view of an image.

    Raises:
        BadImage: pefile can make nothing of it.

    """
    try:
        return pefile.PE(data=data, fast_load=True)
    except pefile.PEFormatError as error:
        raise BadImage(f"it is no PE image: {error.value}") from error


def listed(data: bytes, number: int, name: str, guid: str = "") -> Listed:
    """
    Say what an image is, whatever its architecture.

    Raises:
        BadImage: it is none.

    """
    pe = parsed(data)
    machine = pe.FILE_HEADER.Machine
    subsystem = pe.OPTIONAL_HEADER.Subsystem
    return Listed(
        number=number,
        name=name,
        guid=guid,
        form={_PE32: "PE32", _PE32_PLUS: "PE32+"}.get(pe.OPTIONAL_HEADER.Magic, "unknown"),
        machine=MACHINES.get(machine, f"machine {machine:#06x}"),
        subsystem=SUBSYSTEMS.get(subsystem, f"subsystem {subsystem}"),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def image(data: bytes, name: str) -> Image:
    """
    Lay an image out.

    Raises:
        BadImage: it is damaged, or no PE32+ image of UEFI for x86-64.

    """
    pe = parsed(data)
    head = pe.OPTIONAL_HEADER
    machine = MACHINES.get(pe.FILE_HEADER.Machine, f"machine {pe.FILE_HEADER.Machine:#06x}")
    if head.Magic != _PE32_PLUS or machine != JUDGED:
        raise BadImage(f"expected PE32+ for {JUDGED}, not magic {head.Magic:#x} for {machine}")
    if head.Subsystem not in SUBSYSTEMS:
        raise BadImage(f"expected a subsystem of UEFI (10 to 13), not {head.Subsystem}")
    if not 0 < head.SizeOfImage <= LARGEST:
        raise BadImage(f"expected an image of at most {LARGEST} bytes, not {head.SizeOfImage}")
    alignment = head.SectionAlignment
    if alignment <= 0 or alignment & (alignment - 1):
        raise BadImage(f"expected the alignment of sections to be a power of two, not {alignment}")
    if pe.FILE_HEADER.NumberOfSections != len(pe.sections) or len(pe.sections) > MOST_SECTIONS:
        count = pe.FILE_HEADER.NumberOfSections
        raise BadImage(f"expected at most {MOST_SECTIONS} sections that lie in the file, not {count}")
    memory = bytearray(head.SizeOfImage)
    header = data[: min(head.SizeOfHeaders, head.SizeOfImage)]
    memory[: len(header)] = header
    sections = tuple(_sections(pe, data, memory, len(header)))
    if _imports(head.DATA_DIRECTORY, memory):
        raise BadImage("it imports from other images, which an image of UEFI does not")
    if not any(s.executable and s.start <= head.AddressOfEntryPoint < s.end for s in sections):
        raise BadImage(f"its entry point {head.AddressOfEntryPoint:#x} lies in no executable section")
    return Image(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        base=head.ImageBase,
        entry=head.AddressOfEntryPoint,
        alignment=alignment,
        subsystem=SUBSYSTEMS[head.Subsystem],
        sections=sections,
        relocations=tuple(_relocations(pe, head.SizeOfImage)),
        memory=bytes(memory),
    )


def _sections(pe: Any, data: bytes, memory: bytearray, header: int) -> Iterator[Section]:
    """Copy each section to its place."""
    before = header
    for found in sorted(pe.sections, key=lambda section: section.VirtualAddress):
        name = found.Name.rstrip(b"\0").decode("ascii", "backslashreplace")
        size = max(found.Misc_VirtualSize, 0) or found.SizeOfRawData
        start, end = found.VirtualAddress, found.VirtualAddress + size
        if start < before:
            raise BadImage(f"section {name} at {start:#x} overlaps what lies before it, up to {before:#x}")
        if end > len(memory):
            raise BadImage(f"section {name} ends at {end:#x}, behind the image's {len(memory):#x} bytes")
        length = min(found.SizeOfRawData, size)
        raw = found.PointerToRawData
        if raw + length > len(data):
            raise BadImage(f"section {name} ends at {raw + length:#x} of a file of {len(data):#x} bytes")
        memory[start : start + length] = data[raw : raw + length]
        flags = found.Characteristics
        before = end
        yield Section(name, start, size, bool(flags & _WRITE), bool(flags & _EXECUTE))


def _imports(directories: Any, memory: bytearray) -> bool:
    """Tell whether the import directory has a first entry; linkers leave one that is all zeros."""
    if len(directories) <= _IMPORTS or not directories[_IMPORTS].Size:
        return False
    start = directories[_IMPORTS].VirtualAddress
    return any(memory[start : start + _IMPORT_SIZE])


def _relocations(pe: Any, size: int) -> Iterator[int]:
    pe.parse_data_directories([pefile.DIRECTORY_ENTRY[_RELOCATIONS]])
    for block in getattr(pe, "DIRECTORY_ENTRY_BASERELOC", ()):
        for entry in block.entries:
            if entry.type == _ABSOLUTE:
                continue
            if entry.type != _DIR64:
                raise BadImage(f"expected relocations of type {_DIR64}, not {entry.type} at {entry.rva:#x}")
            if entry.rva + 8 > size:
                raise BadImage(f"a relocation at {entry.rva:#x} lies behind the image's {size:#x} bytes")
            yield entry.rva
