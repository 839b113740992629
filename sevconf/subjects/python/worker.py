"""
One worker: a process of its own with a whole machine and one foreign driver in it, serving the suite's requests.

It is made by fork and ends by being killed, with its whole process group. Foreign code has no terminal here: it reads
nothing, and what it writes goes to a file of limited size.
"""

import os
import random
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from ctypes import CDLL
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from sevconf.errors import ForeignFailure, LostContact, UsageError
from sevconf.subjects.binary.origin import BinaryOrigin
from sevconf.subjects.python import words
from sevconf.subjects.python.border import Border
from sevconf.subjects.python.fingerprint import Fingerprint
from sevconf.subjects.python.job import ANY_DEVICE, FAREWELL, MUTE, Job
from sevconf.subjects.python.line import HEADER_SIZE, Answer, Failure, Inbox, LineError, Request, gulp, packed, unpacked
from sevconf.subjects.python.own_levels import OwnLevelSetup
from sevconf.subjects.python.parts import description, machine
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.function import WATCHED
from sevconf.subjects.qemu.models import MODELS, Order, is_qemu, order
from sevconf.subjects.reference import ReferenceFacets
from sevconf.trace import Entry
from sevconf.vocabulary import MachineKind, Party

_PR_SET_PDEATHSIG = 1

#: The call by which Linux lets a process choose what happens when others end.
prctl = CDLL(None).prctl


class Speaker:
    """The worker's end of the line; without a line there is no worker."""

    def __init__(self, line: int, record: int) -> None:
        self._end = socket.socket(fileno=line)
        self._record = record
        self._inbox = Inbox()

    def say(self, value: object) -> None:
        """Send a value."""
        frame = packed(value)
        try:
            self._end.sendall(frame)
        except OSError:
            os._exit(MUTE)

    def note(self, entry: Entry) -> None:
        """Send an entry of the trace: it is out of this process at once, whatever happens to it."""
        frame = packed(entry)
        try:
            while frame:
                frame = frame[os.write(self._record, frame) :]
        except OSError:
            os._exit(MUTE)

    def fail(self, error: BaseException) -> None:
        """Send what ends this worker."""
        self.say(Failure(error, fatal=True))

    def requests(self) -> Iterator[Request]:
        """Yield requests until the suite goes away."""
        while piece := gulp(self._end):
            self._inbox.feed(piece)
            yield from self._inbox.take()

    def close(self) -> None:
        """Let go of the line, as a process that foreign code forks here must."""
        self._end.close()
        os.close(self._record)


@dataclass(frozen=True, slots=True)
class Birth:
    """What every worker gets from its forker: its process id, its size in bytes, the fingerprint of its code."""

    parent: int
    size: int
    fingerprint: Fingerprint


def live(job: Job, descriptors: list[int], birth: Birth) -> NoReturn:
    """Be a worker from the fork on, until killed; its descriptors are line, trace and output."""
    line, record, output = descriptors
    speaker = Speaker(line, record)
    try:
        os.setsid()
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != birth.parent:
            os._exit(MUTE)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.close(output)
        for stream in (sys.stdout, sys.stderr):
            cast("Any", stream).reconfigure(line_buffering=True, errors="backslashreplace")
        sys.dont_write_bytecode = True
        random.seed(job.seed)
        os.register_at_fork(after_in_child=speaker.close)
        bench = Bench(_orders(job)) if _orders(job) else None  # QEMU is under no limits
        job.limits.impose(birth.size)
        if job.kind is None:
            _tell(job, speaker, birth.fingerprint, bench)
        else:
            _serve(job, job.kind, speaker, birth.fingerprint, bench)
    except BaseException as error:  # noqa: BLE001 -- the suite judges it; where it was told already, this comes second
        speaker.fail(LostContact(job.origin.name, f"the worker raised {words.exception(error)}"))
    finally:
        os._exit(MUTE)


def _orders(job: Job) -> list[Order]:
    """Return the devices of QEMU's that a job is about: to find out which a binary is for, all that there are."""
    if is_qemu(job.device):
        return [order(job.device)] if job.kind or isinstance(job.origin, BinaryOrigin) else []
    return [Order(model) for model in MODELS.values() if model.name in WATCHED] if job.device == ANY_DEVICE else []


def _tell(job: Job, speaker: Speaker, fingerprint: Fingerprint, bench: Bench | None) -> None:
    border = Border(job.origin.culprit, job.limits, fingerprint, speaker.fail)
    try:
        speaker.say(Answer(description(job, border, bench)))
    except ForeignFailure:
        return  # told at the border
    except UsageError as error:
        speaker.fail(error)
    except BaseException as error:  # noqa: BLE001 -- a metaclass or property of the class may raise anything
        speaker.fail(UsageError(f"{job.origin.name} cannot be looked at: {words.exception(error)}"))


def _serve(job: Job, kind: MachineKind, speaker: Speaker, fingerprint: Fingerprint, bench: Bench | None) -> None:
    border = Border(job.origin.culprit, job.limits, fingerprint, speaker.fail)
    border.processes = _children()
    border.asked = "be imported"
    facets = ReferenceFacets(machine(job, kind, border, bench))
    if job.iommu is not None or job.origin.role == Party.IOMMU_DRIVER.value:
        facets.setup = OwnLevelSetup(facets.reference)
    border.trace = facets.trace
    facets.trace.listen(speaker.note)
    speaker.say(Answer(None))
    for request in speaker.requests():
        _answer(job, request, facets, border, speaker)


def _children() -> frozenset[int]:
    """Return the processes that were started here and still run."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return frozenset(int(child) for child in listed.split())


def _check_process(job: Job, border: Border) -> None:
    """Fail if foreign code closed or filled its output, or leaves processes behind."""
    try:
        written = os.fstat(1).st_size
    except OSError:
        written = -1
    how = ""
    if written < 0 or sys.stdout.closed:
        how = "closes its output"
    elif written >= job.limits.output:
        how = f"fills its output, at its limit of {job.limits.output >> 10} KiB"
    elif _children() - border.processes:
        how = "leaves processes behind: firmware runs on one processor"
    if how:
        border.fail(ForeignFailure(border.culprit, border.act, how))


def _answer(job: Job, request: Request, facets: ReferenceFacets, border: Border, speaker: Speaker) -> None:
    border.asked = request.act
    try:
        if request.facet == FAREWELL:
            border.check()
            _check_process(job, border)
            answer: Answer | Failure = Answer(None)
        else:
            act = getattr(getattr(facets, request.facet), request.method)
            answer = Answer(act(**request.arguments))
    except BaseException as error:  # noqa: BLE001 -- the suite judges it
        with suppress(ForeignFailure):
            border.check()
        answer = Failure(_portable(error, border.culprit), fatal=False)
    if border.failure is None:
        speaker.say(answer)


def _portable(error: BaseException, culprit: str) -> BaseException:
    """Return an exception of the suite's families as it is, if it can travel; any other one as an error of ours."""
    with suppress(LineError):
        travelled = unpacked(packed(Failure(error, fatal=False))[HEADER_SIZE:])
        if type(travelled.error) is type(error):
            return error
    return LostContact(culprit, f"the model raised {words.exception(error)}")
