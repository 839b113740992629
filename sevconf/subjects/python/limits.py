"""What foreign code may use, and how a worker is held to it."""

import os
import resource
from dataclasses import dataclass, field
from pathlib import Path

from sevconf.errors import UsageError

#: Seconds that foreign code may take for one scenario.
WALL = 10.0
#: Environment variable that sets another limit of that kind, for slow machines and for tests.
WALL_VARIABLE = "SEVCONF_WALL_LIMIT"
#: Seconds of processor time that a machine's worker may use in its whole life.
CPU = 60
#: Bytes of address space that a worker may take beyond what it starts with.
MEMORY = 1 << 30
#: Bytes that foreign code may write to a file, and so to its output.
OUTPUT = 1 << 20
#: Bytes that a worker gets on top when its memory is used up, so that it can say so.
SPARE = 64 << 20


def _wall() -> float:
    text = os.environ.get(WALL_VARIABLE, "")
    try:
        seconds = float(text or WALL)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise UsageError(f"expected a number of seconds in {WALL_VARIABLE}, not {text!r}")
    return seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """`wall` is seconds a machine, `cpu` seconds a worker, `memory` bytes beyond the start, `output` bytes a file."""

    wall: float = field(default_factory=_wall)
    cpu: int = CPU
    memory: int = MEMORY
    output: int = OUTPUT

    def impose(self, start: int) -> None:
        """
        Hold the present process to the limits that the kernel knows; `wall` is watched from outside.

        `start` is the address space that it has without foreign code, in bytes.
        """
        size = start + self.memory
        resource.setrlimit(resource.RLIMIT_AS, (size, size + SPARE))
        resource.setrlimit(resource.RLIMIT_CPU, (self.cpu, self.cpu + 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.output, self.output))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def address_space() -> int:
    """Return the bytes of address space that the present process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def relent() -> None:
    """Let the present process have its spare memory, to report that the rest is used up."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
