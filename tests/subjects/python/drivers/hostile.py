"""Drivers that mean harm, one act each, in WriteBlocks; all else is the reference driver's."""

import os
import signal
import sys
import time
from contextlib import suppress

from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.pool import Pool
from sevconf.vocabulary import EfiStatus


class Hostile(DiskDriver):
    """Does its harm, and goes on as the reference driver if it still can."""

    def harm(self) -> None:
        """Do it."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Do the harm first."""
        self.harm()
        return super().write_blocks(lba, data)


class Hangs(Hostile):
    """Never comes back."""

    def harm(self) -> None:
        """Sleep."""
        while True:
            time.sleep(60)


class Recurses(Hostile):
    """Calls itself without end."""

    def harm(self) -> None:
        """Recurse."""
        self.harm()


class RaisesBase(Hostile):
    """Raises what `except Exception` does not catch."""

    def harm(self) -> None:
        """Raise."""
        raise BaseException("out")  # noqa: TRY002 -- the point


class Exits(Hostile):
    """Calls sys.exit, as if all were well."""

    def harm(self) -> None:
        """Exit."""
        sys.exit(0)


class ExitsAtOnce(Hostile):
    """Calls os._exit, as if all were well."""

    def harm(self) -> None:
        """Exit."""
        os._exit(0)


class ClosesOutput(Hostile):
    """Closes its output."""

    def harm(self) -> None:
        """Close it, from below Python."""
        with suppress(OSError):
            os.close(1)


class ClosesAll(Hostile):
    """Closes every descriptor, also the line to the suite."""

    def harm(self) -> None:
        """Close them."""
        os.closerange(0, 256)


class Floods(Hostile):
    """Fills its output and takes no notice of the limit."""

    def harm(self) -> None:
        """Write 64 MiB."""
        for _ in range(1024):
            with suppress(OSError):
                os.write(1, bytes(1 << 16))


class FloodsForEver(Hostile):
    """Writes to its output without end."""

    def harm(self) -> None:
        """Write."""
        while True:
            with suppress(OSError):
                os.write(1, bytes(1 << 16))


class Hogs(Hostile):
    """Allocates without bound."""

    def harm(self) -> None:
        """Allocate."""
        hoard = []
        while True:
            hoard.append(bytearray(64 << 20))


class Patches(Hostile):
    """Replaces functions of the suite, so that nothing is ever wrong."""

    def harm(self) -> None:
        """Replace one of the model's and one of the trace's."""
        from sevconf.trace import Trace  # noqa: PLC0415 -- as a forger may

        Pool.free = lambda *_: EfiStatus.SUCCESS  # type: ignore[method-assign]
        Trace.append = lambda *_: None  # type: ignore[method-assign]


class Forks(Hostile):
    """Leaves processes behind."""

    def harm(self) -> None:
        """Fork some that stay."""
        for _ in range(8):
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)


class ForksWithoutEnd(Hostile):
    """Forks and forks, in sessions of their own."""

    def harm(self) -> None:
        """Fork up to 300 at a time."""
        while True:
            for _ in range(300):
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(600)
                    os._exit(0)
            time.sleep(60)


class KillsItself(Hostile):
    """Sends itself a signal that ends it."""

    def harm(self) -> None:
        """Send it."""
        os.kill(os.getpid(), signal.SIGKILL)


class KillsItsGroup(Hostile):
    """Sends its process group a signal."""

    def harm(self) -> None:
        """Send it."""
        os.killpg(0, signal.SIGTERM)


class KillsItsParent(Hostile):
    """Kills the process that made it."""

    def harm(self) -> None:
        """Send it."""
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


class StopsItsParent(Hostile):
    """Stops the process that made it."""

    def harm(self) -> None:
        """Send it."""
        os.kill(os.getppid(), signal.SIGSTOP)


class SignalsItself(Hostile):
    """Interrupts itself, as a terminal would."""

    def harm(self) -> None:
        """Send it."""
        os.kill(os.getpid(), signal.SIGINT)
