"""
The child that reads files which nobody vouches for: what it finds goes out as JSON, and nothing else of it counts.

It is given the file as its input, a descriptor to answer on, and either nothing (it lists the images) or the number of
one, which it lays out. The parent has set no limits on it: it takes them upon itself before it reads a byte.
"""

import base64
import dataclasses
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sevconf.subjects.binary.images import pe, rom, volume
from sevconf.subjects.binary.images.image import MACHINES, Listed
from sevconf.subjects.binary.images.pe import BadImage

#: Seconds of processor time, and bytes of address space, that reading a file may take.
CPU_SECONDS = 30
MEMORY = 1 << 30
#: Bytes of the largest answer.
LARGEST_ANSWER = 128 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class _Raw:
    name: str
    guid: str
    data: bytes
    te_machine: int | None = None


def _raw_images(data: bytes) -> Iterator[_Raw]:
    if data[:2] == b"MZ":
        yield _Raw("", "", data)
    elif data[:2] == rom.SIGNATURE:
        yield from (_Raw(found.name, "", found.data) for found in rom.images(data))
    else:
        for found in volume.images(data):
            yield _Raw(found.name, found.guid, found.data, found.te_machine if found.te else None)


def _listed(number: int, raw: _Raw) -> Listed:
    if raw.te_machine is not None:
        machine = MACHINES.get(raw.te_machine, f"machine {raw.te_machine:#06x}")
        return Listed(number, raw.name, raw.guid, "TE", machine, "", len(raw.data), "")
    try:
        return pe.listed(raw.data, number, raw.name, raw.guid)
    except BadImage:
        if not raw.name:
            raise
        return Listed(number, raw.name, raw.guid, "damaged", "", "", len(raw.data), "")


def answer(data: bytes, number: int | None) -> dict[str, Any]:
    """Return the list of images, or one of them laid out, as JSON has it."""
    raws = list(_raw_images(data))
    if number is None:
        return {"images": [dataclasses.asdict(_listed(index, raw)) for index, raw in enumerate(raws)]}
    raw = raws[number]
    image = dataclasses.asdict(pe.image(raw.data, raw.name))
    image["memory"] = base64.b64encode(image["memory"]).decode()
    return {"image": image}


def main(descriptor: int, number: int | None) -> None:
    """Read the input, and answer."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_ANSWER, LARGEST_ANSWER))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = sys.stdin.buffer.read()
    try:
        found = answer(data, number)
    except BadImage as error:
        found = {"bad": str(error)}
    except (MemoryError, RecursionError) as error:
        found = {"bad": f"it takes more than {MEMORY >> 20} MiB or levels to read ({type(error).__name__})"}
    except Exception as error:  # noqa: BLE001 -- a damaged file may make a parser raise anything
        found = {"bad": f"its parser fails: {type(error).__name__}: {str(error)[:200]}"}
    with suppress(BrokenPipeError), os.fdopen(descriptor, "w", encoding="ascii") as line:
        json.dump(found, line)
    os._exit(0)
