"""
A QEMU that has no files: its RAM, firmware, disks and log are memory, its sockets are pairs that it inherits.

So nothing can be left behind when we are killed. The kernel kills QEMU when the thread that started it ends.

Spec: QEMU 7.2 `docs/devel/qtest.rst`, `qemu-options.hx` (-chardev socket with fd, -qtest, -sandbox); Linux man pages
memfd_create(2), prctl(2) PR_SET_PDEATHSIG.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from ctypes import CDLL

from sevconf.errors import LostContact, UsageError

#: The program, and Debian's package that has it.
PROGRAM, PACKAGE = "qemu-system-x86_64", "qemu-system-x86"
#: Who fails when QEMU fails.
NAME = "qemu"
#: Seconds that QEMU may take to answer anything, and to die.
PATIENCE = 10.0
#: Bytes behind QEMU's RAM in the same memory: for whoever shares it; they cost nothing until they are written.
ROOM = 4 << 30
#: What QEMU says when a driver did what a device model does not stand; it ends then.
HARDWARE_ERROR = "hardware error"
#: What firmware there is: `cli; hlt` at the reset vector, 16 bytes below the end of 64 KiB.
_ROM_SIZE, _RESET_VECTOR, _HALT = 0x10000, 0xFFF0, bytes.fromhex("faf4ebfd")
_PR_SET_PDEATHSIG = 1
_prctl = CDLL(None).prctl


def program() -> str:
    """
    Return the path of QEMU.

    Raises:
        UsageError: it is not installed.

    """
    found = shutil.which(PROGRAM)
    if found is None:
        hint = f"install Debian's package {PACKAGE}: apt-get install {PACKAGE}"
        raise UsageError(f"there is no {PROGRAM}, which has the device models", hint=hint)
    return found


def installed() -> bool:
    """Tell whether there is a QEMU."""
    return shutil.which(PROGRAM) is not None


def version() -> str:
    """Return what QEMU calls its version, of the distribution if it names one."""
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=False, timeout=PATIENCE)
    return said.stdout.partition("version ")[2].partition("\n")[0]


class Memory:
    """Bytes that both processes have; QEMU opens them by `path`."""

    def __init__(self, name: str, size: int = 0) -> None:
        self.descriptor = os.memfd_create(name)
        os.truncate(self.descriptor, size)

    @property
    def path(self) -> str:
        """The name of it in QEMU, which inherits the descriptor under its number."""
        return f"/proc/self/fd/{self.descriptor}"

    @property
    def size(self) -> int:
        """Bytes that it has now."""
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes; fewer at the end."""
        return os.pread(self.descriptor, length, offset)

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes."""
        os.pwrite(self.descriptor, data, offset)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


class Qemu:
    """
    A machine `q35` whose processor is halted; `arguments` are its devices, which may use `descriptors`.

    `ram` is its RAM of `ram_size` bytes, `qtest` and `monitor` are our ends of its sockets, `log` is what it logs.

    Raises:
        UsageError: QEMU is not installed.

    """

    def __init__(self, ram_size: int, arguments: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        path = program()
        self.ram = Memory("sevconf-ram", ram_size + ROOM)
        self.log = Memory("sevconf-log")
        self._rom = Memory("sevconf-rom", _ROM_SIZE)
        self._rom.write(_RESET_VECTOR, _HALT)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process
        self.qtest, qtest = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        inherited = (self.ram.descriptor, self.log.descriptor, self._rom.descriptor, qtest.fileno(), monitor.fileno())
        parent = os.getpid()

        def die_with_parent() -> None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        command = [
            *(path, "-machine", "q35,accel=tcg,memory-backend=ram,usb=off,vmport=off,smbus=off,sata=off"),
            *("-m", f"{ram_size >> 10}K,slots=1,maxmem=8G", "-bios", self._rom.path),
            *("-object", f"memory-backend-file,id=ram,size={ram_size},mem-path={self.ram.path},share=on"),
            *("-no-user-config", "-nodefaults", "-nic", "none", "-display", "none"),
            *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
            *("-chardev", f"socket,id=qtest,fd={qtest.fileno()}", "-qtest", "chardev:qtest", "-qtest-log", "/dev/null"),
            *("-chardev", f"socket,id=monitor,fd={monitor.fileno()}", "-mon", "chardev=monitor,mode=control"),
            *("-D", self.log.path),
            *arguments,
        ]
        with qtest, monitor:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=(*inherited, *descriptors),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 -- two system calls; no thread of ours holds a lock
            )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def lost(self, what: str) -> LostContact:
        """Make the error that tells that QEMU no longer answers, with what it said of hardware, or else last."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines() or ["it says nothing"]
        hard = next((line for line in lines if HARDWARE_ERROR in line), "")
        return LostContact(NAME, f"{what}: {hard or lines[-1]}")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(PATIENCE)
        for held in (self.qtest, self.monitor, self._errors, self.ram, self.log, self._rom):
            held.close()
