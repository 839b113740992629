"""
Firmware: PE32 and TE sections of the files in its volumes, by `uefi_firmware`.

Spec: PI 1.7, volume 3 (firmware volumes, files, sections, section types).
"""

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from uefi_firmware import AutoParser, uefi

from sevconf.subjects.binary.images.pe import BadImage

_PE32, _TE, _USER_INTERFACE = 0x10, 0x12, 0x15
#: Levels of files in volumes in files that anybody has reason to build.
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Found:
    """An executable section: the name of its file (its GUID where it has none), and whether it is a TE image."""

    name: str
    guid: str
    data: bytes
    te: bool

    @property
    def te_machine(self) -> int:
        """Machine type of a TE image (PI 1.7, volume 1, 4.1)."""
        return int(struct.unpack_from("<H", self.data.ljust(4, b"\0"), 2)[0])


def images(data: bytes) -> tuple[Found, ...]:
    """
    Return the executables of a firmware image.

    Raises:
        BadImage: there is nothing in it that has any.

    """
    found = tuple(_walk(_firmware(data), 0))
    if not found:
        raise BadImage("it is no PE image, PCI option ROM or firmware volume with an executable in it")
    return found


def _firmware(data: bytes) -> Any:
    parser = AutoParser(data)
    if parser.type() != "unknown":
        return parser.parse()
    # A flash image may begin with anything: search it for volumes.
    return _Volumes(list(uefi.find_volumes(data)))


@dataclass(frozen=True, slots=True)
class _Volumes:
    objects: list[Any]


def _walk(found: Any, depth: int) -> Iterator[Found]:
    if depth > _DEEPEST:
        raise BadImage(f"its volumes are nested more than {_DEEPEST} deep")
    if isinstance(found, uefi.FirmwareFile):
        yield from _executables(found)
    for inner in getattr(found, "objects", None) or ():
        if inner is not None and not isinstance(inner, bytes | str):
            yield from _walk(inner, depth + 1)


def _executables(file: Any) -> Iterator[Found]:
    guid = str(uuid.UUID(bytes_le=file.guid))
    sections = list(_sections(file.sections, 0))
    names = (section.data.decode("utf-16-le", "replace") for section in sections if section.type == _USER_INTERFACE)
    name = next(names, "").partition("\0")[0] or guid
    for section in sections:
        if section.type in {_PE32, _TE}:
            yield Found(name, guid, bytes(section.data), section.type == _TE)


def _sections(sections: Any, depth: int) -> Iterator[Any]:
    """Yield sections, also those inside of compressed ones, but none of another file."""
    for section in sections or ():
        if not isinstance(section, uefi.FirmwareFileSystemSection) or depth > _DEEPEST:
            continue
        if isinstance(section.data, bytes):
            yield section
        inner = getattr(section, "parsed_object", None)
        yield from _sections(getattr(inner, "subsections", None), depth + 1)
