"""Drivers that do what no driver should, one act each; all else is the reference driver's."""

# ruff: noqa: ARG002, ARG005 -- methods have the contract's parameters, whether or not they get to use them

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any, ClassVar

from sevconf.contract.driver import MappingToken
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.pool import Pool
from sevconf.vocabulary import EfiStatus, Gva


class Raises(DiskDriver):
    """Raises in WriteBlocks."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Raise, with the address of an object in the message."""
        raise ValueError(f"lost {self} at {lba}")


class RaisesInHandler(DiskDriver):
    """Raises in its exit handler."""

    def on_exit(self) -> None:
        """Raise."""
        raise KeyError("no such register")


class RaisesInConstructor(DiskDriver):
    """Raises when it is built."""

    def __init__(self, *services: Any) -> None:
        raise RuntimeError("no firmware today")


class RaisesInHelper(DiskDriver):
    """Lets an exception out of code of sevconf that it called itself, wrongly."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Read a descriptor from too few bytes."""
        from sevconf.contract.disk import Descriptor  # noqa: PLC0415 -- as vendors may

        return EfiStatus(Descriptor.unpack(data[:3]).result)


class Exits(DiskDriver):
    """Calls sys.exit."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Exit."""
        sys.exit(3)


class Interrupts(DiskDriver):
    """Raises KeyboardInterrupt."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Interrupt."""
        raise KeyboardInterrupt


class ExitsAtOnce(DiskDriver):
    """Calls os._exit."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Exit."""
        os._exit(7)


class Crashes(DiskDriver):
    """Dies by a signal, as of a wild pointer."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Die."""
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
        return EfiStatus.SUCCESS


class Hangs(DiskDriver):
    """Never comes back from WriteBlocks."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Loop."""
        while True:
            pass


class HangsInHandler(DiskDriver):
    """Never comes back from its exit handler."""

    def on_exit(self) -> None:
        """Wait for a register that never changes."""
        while True:
            self.boot_services.stall(1)


class Stops(DiskDriver):
    """Stops its whole process."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Stop."""
        os.kill(os.getpid(), signal.SIGSTOP)
        return EfiStatus.SUCCESS


class Chatters(DiskDriver):
    """Prints without end."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Print."""
        while True:
            print("chatter " * 500)  # noqa: T201 -- the point


class Prints(DiskDriver):
    """Prints a little, also from below Python and from a child."""

    def start(self) -> EfiStatus:
        """Print."""
        print("from Python")  # noqa: T201 -- the point
        os.write(2, b"from C\n")
        subprocess.run([sys.executable, "-S", "-c", "print('from a child')"], check=True)
        print(repr(sys.stdin.read()))  # noqa: T201 -- the point
        return super().start()


class Hogs(DiskDriver):
    """Takes all memory that there is."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Allocate."""
        hoard = []
        while True:
            hoard.append(bytearray(16 << 20))


class Recurses(DiskDriver):
    """Calls itself without end, by way of a service."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Recurse."""
        self.memory.read(self.ring, 1)
        return self.write_blocks(lba, data)


class ReturnsNothing(DiskDriver):
    """Returns None from ReadBlocks."""

    def read_blocks(self, lba: int, count: int) -> Any:
        """Forget to return."""


class ReturnsNumber(DiskDriver):
    """Returns a bare number where a status belongs."""

    def start(self) -> Any:
        """Return 0."""
        super().start()
        return 0


class ReturnsList(DiskDriver):
    """Returns the data as a list of numbers."""

    def read_blocks(self, lba: int, count: int) -> Any:
        """Return it so."""
        return EfiStatus.SUCCESS, [0] * 512


class PassesFloat(DiskDriver):
    """Passes a float as an address."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Divide wrongly."""
        wrong: Any = self.ring / 1
        return self.boot_services.free_pages(wrong, 1)


class PassesName(DiskDriver):
    """Passes a text as a level."""

    def start(self) -> EfiStatus:
        """Name the level."""
        wrong: Any = "TPL_CALLBACK"
        return self.boot_services.create_event(0x201, wrong, self.on_exit)[0]


class PassesTooFew(DiskDriver):
    """Leaves an argument out."""

    def start(self) -> EfiStatus:
        """Forget the size."""
        services: Any = self.boot_services
        status: EfiStatus = services.allocate_pool(4)
        return status


class SwallowsComplaint(DiskDriver):
    """Swallows what the contract has to say, and goes on."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Try again and again."""
        while True:
            with suppress(BaseException):
                self.pci_io.unmap(MappingToken(-1))


class Faults(DiskDriver):
    """Reads where nothing is mapped."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Follow a wild pointer."""
        self.memory.read(Gva(1 << 46), 8)
        return EfiStatus.SUCCESS


class UsesThread(DiskDriver):
    """Calls a service from a thread."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Start one and wait for it."""
        thread = threading.Thread(target=lambda: self.memory.read(self.ring, 1))
        thread.start()
        thread.join()
        return EfiStatus.SUCCESS


class Forks(DiskDriver):
    """Leaves children behind: one beside it, one in a session of its own."""

    def start(self) -> EfiStatus:
        """Fork."""
        for own_session in (False, True):
            child = os.fork()
            if child == 0:
                if own_session:
                    os.setsid()
                time.sleep(600)
                os._exit(0)
            print("child", child)  # noqa: T201 -- tells the test
        return super().start()


class ForksAndReturns(DiskDriver):
    """Forks, and lets the child go on as if it were the driver."""

    def start(self) -> EfiStatus:
        """Fork."""
        os.fork()
        return super().start()


class Scribbles(DiskDriver):
    """Replaces a method of sevconf."""

    def stop(self) -> EfiStatus:
        """Make every allocation succeed."""
        Pool.free = lambda *_: EfiStatus.SUCCESS  # type: ignore[method-assign]
        return super().stop()


class ScribblesCode(DiskDriver):
    """Replaces the code inside a function of sevconf."""

    def stop(self) -> EfiStatus:
        """Spoil a function without replacing it."""
        EfiStatus.__str__.__code__ = (lambda self: "EFI_SUCCESS").__code__
        return EfiStatus.SUCCESS


class BreaksModel(DiskDriver):
    """Finds a way to break the model itself."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Replace what an allocator needs, and use it."""
        Pool.allocate = None  # type: ignore[assignment,method-assign]
        return super().write_blocks(lba, data)


class NotDriver:
    """Has no role."""


class IommuDriver(DiskDriver):
    """Has a role that it does not play."""

    role: ClassVar[Any] = "iommu-driver"


class Tape(DiskDriver):
    """Has a kind that is not judged."""

    kind: ClassVar[Any] = "tape"


class Core(DiskDriver):
    """Has a role that is not judged."""

    role: ClassVar[Any] = "core"


class Network(DiskDriver):
    """Says that it drives a network card, and offers what a disk's driver does."""

    kind: ClassVar[Any] = "network"


class Misspelled:
    """Lacks `read_blocks`, but has something like it."""

    role = "driver"
    kind = "block"
    supported = DiskDriver.supported
    start = DiskDriver.start
    stop = DiskDriver.stop
    write_blocks = DiskDriver.write_blocks
    read_block = DiskDriver.read_blocks


class TooNarrow(DiskDriver):
    """Takes too few arguments."""

    def write_blocks(self, lba: int) -> EfiStatus:  # type: ignore[override]
        """Write nothing."""
        return EfiStatus.SUCCESS


class Plain:
    """A driver without `submit_write`, by delegation."""

    role = "driver"
    kind = "block"

    def __init__(self, *services: Any) -> None:
        self.inner = DiskDriver(*services)

    def supported(self) -> EfiStatus:
        """Ask the other."""
        return self.inner.supported()

    def start(self) -> EfiStatus:
        """Ask the other."""
        return self.inner.start()

    def stop(self) -> EfiStatus:
        """Ask the other."""
        return self.inner.stop()

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """Read nothing."""
        return EfiStatus.UNSUPPORTED, b""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Write nothing."""
        return EfiStatus.UNSUPPORTED
