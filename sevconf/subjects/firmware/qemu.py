"""
One process of QEMU: started, watched, spoken to by QMP, and never left behind.

It has no network, no default devices, and a sandbox where this QEMU has one. The kernel kills it when the thread that
started it dies (setpriv --pdeathsig), so machines are to be started by the main thread.
"""

import contextlib
import functools
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

from sevconf.errors import LostContact
from sevconf.subjects.firmware.packages import tool

#: Seconds for one command of QMP, and for a process to be gone once it is killed.
QMP_LIMIT = 30.0
_GONE_LIMIT = 10.0
#: Lines of a log that a failure shows.
TAIL = 12

_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
_PLAIN = ("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none")
#: Whoever asked for this process may be gone before its death could be told: then nothing is started.
_IF_WANTED = 'test "$PPID" = "$0" && exec "$@"'
#: A reset or a triple fault stops the machine, and leaves it to be asked.
_ENDS = ("-action", "reboot=shutdown,shutdown=pause,panic=pause")


@functools.cache
def _help(binary: str) -> str:
    return subprocess.run([binary, "-help"], capture_output=True, text=True, check=True, timeout=30).stdout


def version(binary: str) -> str:
    """Return the version that a binary of QEMU states."""
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.partition("version ")[2].split()[0]


def tail(path: Path) -> list[str]:
    """Return the last lines of a log, as text that can be printed; none if there is no log."""
    try:
        text = path.read_bytes()[-8192:].decode("ascii", "replace")
    except OSError:
        return []
    lines = ["".join(c for c in line if c.isprintable()).strip() for line in text.splitlines()]
    return [line for line in lines if line][-TAIL:]


class Qemu:
    """
    A running QEMU; `place` is a folder of its own for its logs. Use it as a context manager, or close it.

    The firmware's consoles go to `console.log` (COM1) and `debug.log` (port 0x402), QEMU's own words to `qemu.log`.
    """

    def __init__(self, binary: str, arguments: Sequence[str], place: Path) -> None:
        self.place = place
        self.agent, agents_end = socket.socketpair()
        self._monitor, monitors_end = socket.socketpair()
        command = [tool("setpriv"), "--pdeathsig", "KILL", "--", "sh", "-c", _IF_WANTED, str(os.getpid())]
        command += [binary, *_PLAIN, *_ENDS]
        if "-sandbox" in _help(binary):
            command += ["-sandbox", _SANDBOX]
        command += ["-chardev", f"socket,id=qmp,fd={monitors_end.fileno()}", "-mon", "chardev=qmp,mode=control"]
        command += ["-chardev", f"socket,id=agent,fd={agents_end.fileno()}"]
        command += ["-device", "isa-serial,chardev=agent,iobase=0x3e8,irq=10"]
        command += ["-serial", "file:console.log"]
        command += ["-debugcon", "file:debug.log", "-global", "isa-debugcon.iobase=0x402"]
        with (place / "qemu.log").open("wb") as log, agents_end, monitors_end:
            self._process = subprocess.Popen(
                [*command, *arguments],
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(agents_end.fileno(), monitors_end.fileno()),
                env={**os.environ, "TMPDIR": str(place)},
            )
        self._qmp: QEMUMonitorProtocol | None = None

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def connect(self) -> QEMUMonitorProtocol:
        """
        Return the monitor, greeted.

        Raises:
            LostContact: QEMU did not come up, with what it said.

        """
        if self._qmp is None:
            self._monitor.settimeout(QMP_LIMIT)
            qmp = QEMUMonitorProtocol(self._monitor)
            qmp.settimeout(QMP_LIMIT)
            try:
                qmp.connect()
            except (QMPError, OSError, TimeoutError, EOFError) as error:
                raise self.lost(f"did not come up ({error})") from error
            self._qmp = qmp
        return self._qmp

    def ask(self, command: str, **arguments: Any) -> Any:
        """
        Give a command to QMP and return its answer.

        Raises:
            LostContact: QEMU is gone, or refuses.

        """
        try:
            return self.connect().cmd(command, **arguments)
        except (QMPError, OSError, TimeoutError, EOFError) as error:
            raise self.lost(f"does not answer {command} ({error})") from error

    def hand_over(self, name: str, fd: int) -> None:
        """Give QEMU a file descriptor, under a name."""
        self.connect().send_fd_scm(fd)
        self.ask("getfd", fdname=name)

    def status(self) -> str:
        """Return what QEMU says of its machine: `running`, `paused`, `shutdown` and others."""
        return str(self.ask("query-status")["status"])

    def log(self) -> str:
        """Return the last lines of the firmware's consoles."""
        return "\n".join([*tail(self.place / "console.log"), *tail(self.place / "debug.log")][-TAIL:])

    def lost(self, what: str) -> LostContact:
        """Return the error that tells what became of this process."""
        code = self._process.poll()
        how = "" if code is None else f"; it ended with {code}"
        said = "\n".join(tail(self.place / "qemu.log"))
        return LostContact("firmware", f"QEMU {what}{how}{': ' if said else ''}{said}")

    def close(self) -> None:
        """Kill the process and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(_GONE_LIMIT)
        if self._qmp is not None:
            with contextlib.suppress(QMPError, OSError, EOFError):
                self._qmp.close()
        self._monitor.close()
        self.agent.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
