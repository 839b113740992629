"""Putting foreign code's doings into words that are the same in every run: no addresses of objects, no folders."""

import errno
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType

from sevconf.contract.disk import BLOCK
from sevconf.subjects.python.limits import Limits
from sevconf.trace import NotificationBegan, NotificationEnded, Trace, party_of
from sevconf.vocabulary import EVENT_GROUPS, EfiStatus, Party

#: Most characters of an exception's message that are told.
MESSAGE_LENGTH = 200

_SEVCONF = str(Path(__file__).parents[2]) + "/"
_PYTHON = tuple(
    {path + "/" for name in ("stdlib", "platstdlib") if (path := sysconfig.get_path(name))} | {"<frozen ", "<string>"}
)
_OBJECT_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+(?=>)")


#: What an IOMMU driver is asked for through PciIo.
_PCI_IO = {"allocate_buffer": "AllocateBuffer", "free_buffer": "FreeBuffer", "map": "Map", "unmap": "Unmap"}


def act(facet: str, method: str, arguments: Mapping[str, object], party: str = Party.DRIVER.value) -> str:
    """Say what foreign code of a party is asked to do by a request, as in "asked to write blocks 3 to 4"."""
    match party, facet, method:
        case Party.OS_LOADER.value, "loader", "boot":
            return "boot"
        case Party.IOMMU_DRIVER.value, "dma", _ if method in _PCI_IO:
            return f"serve PciIo.{_PCI_IO[method]}"
    match facet, method, arguments:
        case "driver", "read", {"lba": int(lba), "count": int(count)}:
            return f"read {_blocks(lba, count)}"
        case "driver", "write", {"lba": int(lba), "data": bytes(data)}:
            return f"write {_blocks(lba, len(data) // BLOCK)}"
        case "driver", "submit_write", {"lba": int(lba), "data": bytes(data)}:
            return f"take {_blocks(lba, len(data) // BLOCK)} to write later"
        case "keyboard", "read_key", _:
            return "read a key"
        case "network", "transmit", {"frame": bytes(frame)}:
            return f"send a frame of {len(frame)} bytes"
        case "network", "receive", _:
            return "receive a frame"
        case "own_device", "stimulate", _:
            return "hear of what happens outside"
        case "own_device", "work", _:
            return method
        case "driver" | "keyboard" | "network" | "own_device", "start" | "stop", _:
            return method
        case "loader", "boot", _:
            return "be there while the OS loader boots"
    return f"be there during {facet}.{method}"


def _blocks(lba: int, count: int) -> str:
    return f"block {lba}" if count == 1 else f"blocks {lba} to {lba + count - 1}"


def act_within(trace: Trace, asked: str, party: str = Party.DRIVER.value) -> str:
    """Say what foreign code of a party was about: its notification that has not returned, or what was asked."""
    ended: set[int] = set()
    for entry in reversed(tuple(trace)):
        if isinstance(entry, NotificationEnded):
            ended.add(entry.began)
        elif isinstance(entry, NotificationBegan) and entry.step not in ended:
            if party_of(entry.actor) != party:
                break
            group = "" if entry.group is None else f" of group {EVENT_GROUPS.get(entry.group, entry.group)}"
            return f"run its notification function for {entry.event}{group}"
    return asked


def value(got: object) -> str:
    """Say what a value is; foreign code is not asked to describe itself."""
    if got is None or type(got) in {bool, int, float, str, bytes}:
        text = repr(got)
        return text if len(text) <= 60 else f"{text[:50]}… ({type(got).__name__})"
    if type(got) is tuple and len(got) <= 4:
        return f"({', '.join(value(item) for item in got)})"
    if isinstance(got, EfiStatus):
        return str(got)
    return f"a value of type {type(got).__name__}"


def exception(error: BaseException, limits: Limits | None = None) -> str:
    """Say what was raised, where, and which limit it met."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 -- foreign code's own way to make a message
        message = "its message cannot be read"
    message = _OBJECT_ADDRESS.sub("", message.partition("\n")[0])[:MESSAGE_LENGTH]
    place = place_of(traceback.walk_tb(error.__traceback__))
    module = "" if type(error).__module__ == "builtins" else f"{type(error).__module__}."
    text = f"{module}{type(error).__name__}{': ' if message else ''}{message}"
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{Path(error.filename).name}:{error.lineno}"
    return f"{text}{f' ({place})' if place else ''}{_limit_met(error, limits)}"


def _limit_met(error: BaseException, limits: Limits | None) -> str:
    if limits is not None and isinstance(error, MemoryError):
        return f", at its limit of {limits.memory >> 20} MiB of memory"
    if limits is not None and isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f", at its limit of {limits.output >> 10} KiB of output"
    return ""


def place_of(frames: Iterable[tuple[FrameType, int]]) -> str:
    """
    Return `file:line` of the last of these frames that is neither ours nor Python's own, or an empty text.

    Installed packages come last: a driver's own line says more than that of a library which it uses.
    """
    own = library = ""
    for frame, line in frames:
        name = frame.f_code.co_filename
        if name.startswith(_SEVCONF):
            continue
        place = f"{Path(name).name}:{line}"
        if "-packages/" in name:
            library = place
        elif not name.startswith(_PYTHON):
            own = place
    return own or library


def caller() -> str:
    """Return `file:line` of the foreign code that is calling us just now, or an empty text."""
    frames: list[tuple[FrameType, int]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
    return place_of(reversed(frames))
