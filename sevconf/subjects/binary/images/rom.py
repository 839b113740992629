"""
PCI option ROMs: a chain of images, of which those of code type 3 hold UEFI drivers, as they are or compressed.

Spec: PCI Firmware Specification 3.3, 5.1 (expansion ROM contents); UEFI 2.10, 14.4.20 "PCI Option ROMs", EFI PCI
expansion ROM header; 19.2 (compression algorithm).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from uefi_firmware import efi_compressor

from sevconf.subjects.binary.images.pe import LARGEST, BadImage

SIGNATURE = b"\x55\xaa"

_HEADER = struct.Struct("<2sHIHHH8xHH")
_EFI_SIGNATURE = 0x0EF1
_DATA = struct.Struct("<4sHHHHB3sHHBB")
_DATA_SIGNATURE = b"PCIR"
_EFI_CODE, _LAST = 3, 0x80
_UNIT = 512
_NO_COMPRESSION, _EFI_COMPRESSION = 0, 1
#: A compressed image begins with its two sizes.
_SIZES = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class RomImage:
    """One UEFI driver of a ROM, decompressed; its name is made of vendor and device, as in `1af4:1000`."""

    name: str
    data: bytes


def images(rom: bytes) -> Iterator[RomImage]:
    """
    Yield the UEFI drivers of a ROM.

    Raises:
        BadImage: the chain is damaged, or a driver cannot be decompressed.

    """
    at = 0
    while True:
        if len(rom) < at + _HEADER.size:
            raise BadImage(f"expected an image of the ROM at {at:#x}, and the file has {len(rom):#x} bytes")
        signature, size, efi, _, _, compression, offset, data_at = _HEADER.unpack_from(rom, at)
        if signature != SIGNATURE:
            raise BadImage(f"expected 55 AA at {at:#x}, where an image of the ROM should begin")
        if data_at < _HEADER.size or len(rom) < at + data_at + _DATA.size:
            raise BadImage(f"the data structure of the image at {at:#x} lies behind the file's end")
        mark, vendor, device, _, _, _, _, length, _, code, indicator = _DATA.unpack_from(rom, at + data_at)
        if mark != _DATA_SIGNATURE:
            raise BadImage(f"expected PCIR at {at + data_at:#x}, in the data structure of the image at {at:#x}")
        if code == _EFI_CODE and efi == _EFI_SIGNATURE:
            driver = rom[at + offset : at + size * _UNIT]
            if offset < _HEADER.size or not driver or len(rom) < at + size * _UNIT:
                raise BadImage(f"the driver of the image at {at:#x} lies outside the file")
            yield RomImage(f"{vendor:04x}:{device:04x}", _decompressed(driver, compression))
        if indicator & _LAST:
            return
        if length == 0:
            raise BadImage(f"the image at {at:#x} has no length, and is not the last")
        at += length * _UNIT


def _decompressed(data: bytes, compression: int) -> bytes:
    if compression == _NO_COMPRESSION:
        return data
    if compression != _EFI_COMPRESSION:
        raise BadImage(f"expected compression type 0 or 1, not {compression}")
    if len(data) < _SIZES.size:
        raise BadImage("its compressed driver is shorter than its header")
    packed, size = _SIZES.unpack_from(data)
    if packed + _SIZES.size > len(data) or size > LARGEST:
        raise BadImage(f"its compressed driver claims {packed} bytes of {len(data)}, and {size} when unpacked")
    try:
        driver = efi_compressor.EfiDecompress(data, len(data))
    except Exception as error:
        raise BadImage(f"its driver cannot be decompressed: {error}") from error
    return bytes(driver)
