"""Whose code lies where, and how a place in it is told: relative to its image, disassembled, with its function."""

from dataclasses import dataclass

import capstone

from sevconf.subjects.binary.abi.memory import BadPointerError, Memory
from sevconf.subjects.binary.images.image import Image
from sevconf.subjects.binary.symbols import Symbols

#: Bytes of the longest instruction.
_LONGEST = 15


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image in memory: where, who acts when it acts, and its handle."""

    image: Image
    base: int
    actor: str
    handle: int


class Whereabouts:
    """The images that are loaded."""

    def __init__(self) -> None:
        self._loaded: list[Loaded] = []
        self._symbols: dict[str, Symbols] = {}

    def add(self, loaded: Loaded) -> None:
        """Take note of an image."""
        self._loaded.append(loaded)

    def add_symbols(self, image: Image, symbols: Symbols) -> None:
        """Take note of an image's functions."""
        self._symbols[image.sha256] = symbols

    def at(self, rip: int) -> Loaded | None:
        """Return the image that has that byte."""
        return next((found for found in self._loaded if found.base <= rip < found.base + found.image.size), None)

    def name(self, rip: int) -> str:
        """Name a place: `IoMmuDxe+0x12a3`, with its function if that is known; else the bare address."""
        loaded = self.at(rip)
        if loaded is None:
            return f"{rip:#x}"
        offset = rip - loaded.base
        function = self._symbols.get(loaded.image.sha256, Symbols()).of(offset)
        return f"{loaded.image.name}+{offset:#x}" + (f" ({function})" if function else "")

    def told(self, rip: int, how: str, memory: Memory) -> str:
        """Say what went wrong where, with the instruction that lies there."""
        if self.at(rip) is None:
            return f"{how} (at {rip:#x}, outside of every image)"
        try:
            code = memory.read(rip, _LONGEST)
        except BadPointerError:
            code = b""
        decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        line = next(
            (f"{mnemonic} {operands}".strip() for _, _, mnemonic, operands in decoder.disasm_lite(code, rip)), ""
        )
        return f"{how} (at {self.name(rip)}{f': {line}' if line else ''})"
