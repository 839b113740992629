"""Damaged images by the thousand: flipped bits, cuts, overlaps and huge sizes in PE images, option ROMs and volumes."""

import argparse
import os
import random
import struct
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
from tabulate import tabulate

from sevconf.errors import Unsupported, UsageError
from sevconf.subjects.binary.images import files
from sevconf.subjects.binary.images.files import images_of, load, place_of

from .maker import pe, rom

_FFS2 = uuid.UUID("8c8ce578-8a3d-4f1c-9935-896185c32dd3").bytes_le
_FILE = uuid.UUID("11111111-2222-3333-4444-555555555555").bytes_le
_PE32, _NAME, _DRIVER = 0x10, 0x15, 0x07
_SIZES = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFF0, 1 << 24, 1 << 30)
#: Bytes at the beginning of an image in which headers lie.
_HEADERS = 0x400
#: Seconds that the parent may take beyond its patience with two children.
_SLACK = 20


def _section(kind: int, content: bytes) -> bytes:
    data = (4 + len(content)).to_bytes(3, "little") + bytes([kind]) + content
    return data.ljust(-(-len(data) // 4) * 4, b"\xff")


def volume(driver: bytes, name: str = "Mutant") -> bytes:
    """Return a firmware volume with one driver (PI 1.7, volume 3, chapter 3)."""
    body = _section(_PE32, driver) + _section(_NAME, f"{name}\0".encode("utf-16-le"))
    size = 24 + len(body)
    head = _FILE + b"\0\xaa" + bytes([_DRIVER, 0]) + size.to_bytes(3, "little")
    checksum = -sum(head) + 0xAA & 0xFF
    file = _FILE + bytes([checksum, 0xAA, _DRIVER, 0]) + size.to_bytes(3, "little") + b"\xf8" + body
    length = 0x48 + -(-len(file) // 0x1000) * 0x1000

    def header(checksum: int) -> bytes:
        fields = struct.pack("<16s16sQ4sIHHHBB", b"", _FFS2, length, b"_FVH", 0x4FEFF, 0x48, checksum, 0, 0, 2)
        return fields + struct.pack("<IIII", length // 8, 8, 0, 0)

    total = sum(struct.unpack("<36H", header(0)))
    return (header(-total & 0xFFFF) + file).ljust(length, b"\xff")


def originals() -> dict[str, bytes]:
    """Return sound images, by their form."""
    return {
        "pe": pe(),
        "rom": rom(pe(), pe()),
        "compressed rom": rom(pe(), compressed=True),
        "volume": volume(pe()),
    }


def _flipped(draw: random.Random, data: bytearray) -> None:
    for _ in range(draw.randrange(1, 17)):
        data[draw.randrange(min(len(data), _HEADERS) if draw.randrange(2) else len(data))] ^= 1 << draw.randrange(8)


def _cut(draw: random.Random, data: bytearray) -> None:
    del data[draw.randrange(len(data)) :]


def _huge(draw: random.Random, data: bytearray) -> None:
    at = draw.randrange(0, min(len(data), _HEADERS) - 4, 2)
    struct.pack_into("<I", data, at, draw.choice(_SIZES))


def _overlapping(draw: random.Random, data: bytearray) -> None:
    """Let one header field hold what another one holds: two things lie at one place then."""
    one, other = (draw.randrange(0, min(len(data), _HEADERS) - 4, 4) for _ in range(2))
    data[one : one + 4] = data[other : other + 4]


def _doubled(draw: random.Random, data: bytearray) -> None:
    start = draw.randrange(len(data))
    data[start:start] = data[start : start + draw.randrange(1, 0x200)]


KINDS: dict[str, Callable[[random.Random, bytearray], None]] = {
    "bit flips": _flipped,
    "cut": _cut,
    "huge size": _huge,
    "overlap": _overlapping,
    "doubled": _doubled,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged image: which one of its seed, its form, what was done to it, its bytes."""

    number: int
    form: str
    kind: str
    data: bytes


def mutants(seed: int, count: int) -> Iterator[Mutant]:
    """Draw so many; the same seed draws the same."""
    draw = random.Random(seed)  # noqa: S311 (determinism is the point)
    sound = originals()
    for number in range(count):
        form, kind = draw.choice(list(sound)), draw.choice(list(KINDS))
        data = bytearray(sound[form])
        KINDS[kind](draw, data)
        yield Mutant(number, form, kind, bytes(data))


def outcome(mutant: Mutant, folder: Path) -> str:
    """
    Load the first image of a damaged file: `loaded`, `refused` or `unsupported`.

    Raises:
        AssertionError: it took too long, or the refusal is no message of one or two lines.

    """
    path = folder / f"{mutant.number}.bin"
    path.write_bytes(mutant.data)
    began = time.monotonic()
    found, said = "loaded", "an image"
    try:
        images_of(path)
        image = load(place_of(f"{path}#0"))
    except Unsupported as unsupported:
        found, said = "unsupported", str(unsupported)
    except UsageError as refused:
        found, said = "refused", str(refused)
    else:
        assert 0 < image.size == len(image.memory)
    path.unlink()
    assert 0 < len(said.splitlines()) <= 2, said
    assert "Traceback" not in said
    assert time.monotonic() - began < 2 * files.PATIENCE + _SLACK
    return found


def tried(mutant: Mutant, folder: Path, tally: Counter[tuple[str, str, str]]) -> None:
    """Count what becomes of one; whatever else it does to the parent passes, with the mutant named."""
    try:
        tally[mutant.form, mutant.kind, outcome(mutant, folder)] += 1
    except BaseException as error:
        error.add_note(f"mutant {mutant.number}: {mutant.kind} in a {mutant.form}, {mutant.data[:64].hex()}…")
        raise


def main() -> int:
    """Try them all, and say what became of them; an error passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="images (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="seed of all randomness (default: a fresh one)")
    options = parser.parse_args()
    start = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    click.echo(f"seed {start}")
    tally: Counter[tuple[str, str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda mutant: tried(mutant, Path(folder), tally), mutants(start, options.count)):
            pass
    rows = [(*key, times) for key, times in sorted(tally.items())]
    click.echo(tabulate(rows, ("form", "damage", "outcome", "times")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
