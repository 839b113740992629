"""Where workers come from, as the suite sees it: one forker, started at its first use, and its workers' ends."""

import fcntl
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sevconf.errors import CannotStart, LostContact
from sevconf.subjects.python.job import READY, Job
from sevconf.subjects.python.line import ROOM

#: Seconds that the forker may take to start.
PATIENCE = 60
#: Seconds that it may take to answer an order.
ANSWER = 20
#: Seconds that it may take to end its workers and itself.
FAREWELL = 10
#: Bytes of the forker's largest answer.
LARGEST_ANSWER = 1024

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from sevconf.subjects.python.forker import main; main(int(sys.argv[1]))"
)
#: Same texts in sets, same order, in every run; and one thread, or a fork could stop on a lock that nobody holds.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Child:
    """
    A worker: its process, a descriptor that tells its end, the suite's ends of its line and of its trace, its output.

    The trace has a way of its own that nobody waits at: to be woken for every entry costs more than the entry.
    """

    pid: int
    pidfd: int
    line: socket.socket
    record: int
    output: IO[bytes]

    def close(self) -> None:
        """Let go of it."""
        os.close(self.pidfd)
        os.close(self.record)
        self.line.close()
        self.output.close()


class Nursery:
    """A forker and its workers; `target` is whom it is for, in messages."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._control: socket.socket | None = None
        #: Answers of the forker that nobody waited for.
        self._owed = 0
        self._stop: weakref.finalize[Any, Nursery] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, job: Job) -> Child:
        """
        Make a worker.

        Raises:
            CannotStart: the forker does not come up.
            LostContact: it does not answer.

        """
        if self.harmed():
            self.close()
        control = self._control or self._start()
        ours, theirs = socket.socketpair()
        ours.settimeout(job.limits.wall)
        record, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(writable, True)
        with suppress(OSError):
            fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, ROOM)
        output = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the worker
        try:
            socket.send_fds(control, [pickle.dumps(job)], [theirs.fileno(), writable, output.fileno()])
            pid = self._answer(control)
            return Child(pid, os.pidfd_open(pid), ours, record, output)
        except BaseException:
            ours.close()
            os.close(record)
            output.close()
            raise
        finally:
            theirs.close()
            os.close(writable)

    def end(self, child: Child) -> int | None:
        """Kill a worker and all that it started; returns its wait status, or None if nobody knows."""
        try:
            if self._control is None or self.harmed():
                self.close()
                return None
            self._control.send(pickle.dumps(child.pid))
            return self._answer(self._control)
        except (OSError, LostContact):
            # Without its forker it is dead already; its group may not be.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            return None
        finally:
            child.close()

    def release(self, child: Child) -> None:
        """Have a worker killed, and all that it started, without waiting for it."""
        try:
            if self._control is not None:
                self._control.send(pickle.dumps(child.pid))
                self._owed += 1
        except OSError:
            self.close()
        finally:
            child.close()

    def harmed(self) -> bool:
        """Tell whether the forker ended or is stopped by a signal, though nobody here asked it to."""
        if self._process is None:
            return False
        if self._process.poll() is not None:
            return True
        status = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii", errors="replace")
        return status.rpartition(")")[2].split()[0] in {"T", "t", "Z", "X"}

    def close(self) -> None:
        """End the forker, and with it every worker."""
        self._control, self._owed = None, 0
        if self._process is not None and self.harmed():
            self._process.kill()
        self._process = None
        if self._stop is not None:
            self._stop()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    _PROGRAM,
                    str(theirs.fileno()),
                    *(path or str(Path.cwd()) for path in sys.path),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env={**os.environ, **_ENVIRONMENT},
            )
            theirs.close()
            self._process = process
            self._stop = weakref.finalize(self, _farewell, ours, process)
            ours.settimeout(PATIENCE)
            try:
                ready = ours.recv(len(READY))
            except OSError:
                ready = b""
            if ready != READY:
                self.close()
                errors.seek(0)
                lines = errors.read().decode(errors="replace").strip().splitlines() or ["it says nothing"]
                raise CannotStart(self._target, f"the process that makes workers does not come up: {lines[-1]}")
        ours.settimeout(ANSWER)
        self._control = ours
        return ours

    def _answer(self, control: socket.socket) -> int:
        try:
            for _ in range(self._owed):
                control.recv(LARGEST_ANSWER)
            self._owed = 0
            return int(pickle.loads(control.recv(LARGEST_ANSWER)))  # noqa: S301 -- from our own process
        except (OSError, EOFError) as error:
            self.close()
            raise LostContact(self._target, "the process that makes workers is gone") from error


def _farewell(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.close()
    try:
        process.wait(FAREWELL)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait(child: Child, seconds: float) -> tuple[bool, bool]:
    """Wait for a worker to speak or to end; returns which of the two it did."""
    ready = _ready((child.line.fileno(), child.pidfd), seconds)
    return child.line.fileno() in ready, child.pidfd in ready


def ended(child: Child, seconds: float) -> bool:
    """Wait for a worker to end; returns whether it did."""
    return bool(_ready((child.pidfd,), seconds))


def _ready(descriptors: Iterable[int], seconds: float) -> set[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(max(seconds, 0.0) * 1000)}
