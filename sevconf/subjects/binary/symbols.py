"""
Functions of an image, from a linker map beside its file (`x.map` for `x.efi`), as GNU ld writes it.

Addresses in a map are those of the image's preferred base; EDK II links at 0, so they are offsets.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

#: A line of a map: an address and a name, as in `0x0000000000001281   _ModuleEntryPoint`.
_MAP_LINE = re.compile(r"^\s+0x(?P<address>[0-9a-fA-F]{8,16})\s+(?P<name>[A-Za-z_][\w.$]*)$")


@dataclass(frozen=True, slots=True)
class Symbols:
    """Functions of an image by the offsets at which they begin, in order."""

    offsets: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def of(self, offset: int) -> str:
        """Return the function that a place is in, as `Name+0x12`, or nothing."""
        index = bisect_right(self.offsets, offset) - 1
        return f"{self.names[index]}+{offset - self.offsets[index]:#x}" if index >= 0 else ""


def symbols_beside(file: Path, base: int, size: int) -> Symbols:
    """Read the linker map beside a file, for an image of that base and size; without one no function is known."""
    try:
        lines = file.with_suffix(".map").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Symbols()
    places = ((int(m["address"], 16) - base, m["name"]) for line in lines if (m := _MAP_LINE.match(line)))
    found = dict(sorted(place for place in places if 0 <= place[0] < size))
    return Symbols(tuple(found), tuple(found.values()))
