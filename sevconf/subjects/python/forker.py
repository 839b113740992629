"""
The process that makes workers, by fork: it has the model loaded and warm, and no foreign code in it.

The suite starts it once (`nursery`) and speaks to it over a socket that keeps borders of messages: a job, with the
descriptors that its worker gets, is answered by a process id; a process id by the wait status of that worker, which is
dead then, and so is all that it started. When the suite goes away, so do the workers.
"""

import gc
import os
import pickle
import signal
import socket
from contextlib import suppress
from pathlib import Path

from sevconf.contract import (
    BootServices,
    DeviceBus,
    DeviceModel,
    GuestMemory,
    IommuDriver,
    MemEncrypt,
    OsLoader,
    PciIo,
    QueueingBlockDriver,
)
from sevconf.model.machine import ADDRESS_SPACE, ReferenceMachine
from sevconf.subjects.python.fingerprint import Fingerprint
from sevconf.subjects.python.guarded import methods
from sevconf.subjects.python.job import MUTE, READY, Job
from sevconf.subjects.python.limits import address_space
from sevconf.subjects.python.parts import prepare
from sevconf.subjects.python.worker import Birth, live, prctl
from sevconf.subjects.reference import ReferenceFacets
from sevconf.vocabulary import MachineKind

#: Bytes of the largest order.
LARGEST_ORDER = 1 << 16

_PR_SET_CHILD_SUBREAPER = 36
#: Times to look for processes that a worker left behind: each may have left some of its own.
_ROUNDS = 100


def main(descriptor: int) -> None:
    """Serve the suite until it goes away."""
    control = socket.socket(fileno=descriptor)
    # What a dead worker leaves behind becomes this process's child, even from another process group.
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _warm_up()
    gc.collect()  # or the machine that it used would count as address space that every worker starts with
    forker = Forker(control)
    gc.freeze()
    with suppress(ConnectionError):
        control.send(READY)
        forker.serve()
    for worker in tuple(forker.workers):
        forker.end(worker)


def _warm_up() -> None:
    """Do once what every worker would have to do again: lazy imports, caches."""
    facets = ReferenceFacets(ReferenceMachine(MachineKind.SEV, 0))
    facets.driver.start()
    facets.driver.write(0, bytes(512))
    facets.driver.read(0, 1)
    facets.loader.boot()
    for protocol in (
        BootServices,
        PciIo,
        GuestMemory,
        MemEncrypt,
        QueueingBlockDriver,
        IommuDriver,
        OsLoader,
        DeviceBus,
        DeviceModel,
    ):
        methods(protocol)


class Forker:
    """The forker's work; `workers` are those that were not waited for yet."""

    def __init__(self, control: socket.socket) -> None:
        self.workers: set[int] = set()
        self._control = control
        self._birth = Birth(os.getpid(), address_space() + ADDRESS_SPACE, Fingerprint())

    def serve(self) -> None:
        """Answer orders."""
        while True:
            order, descriptors, _, _ = socket.recv_fds(self._control, LARGEST_ORDER, 3)
            if not order:
                return
            wanted = pickle.loads(order)  # noqa: S301 -- from the suite itself, over its own socket
            answer = self._fork(wanted, descriptors) if isinstance(wanted, Job) else self.end(wanted)
            self._control.send(pickle.dumps(answer))

    def _fork(self, job: Job, descriptors: list[int]) -> int:
        if job.binaries:
            prepare(job.binaries)
        worker = os.fork()
        if worker == 0:
            try:
                self._control.close()
                live(job, descriptors, self._birth)
            finally:
                os._exit(MUTE)
        for descriptor in descriptors:
            os.close(descriptor)
        self.workers.add(worker)
        return worker

    def end(self, worker: int) -> int:
        """Kill a worker and all that it started, and return its wait status; one that is unknown gives 0."""
        if worker not in self.workers:
            return 0
        # Not waited for yet, so its number and its group's are still its own.
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                kill(worker, signal.SIGKILL)
        _, status = os.waitpid(worker, 0)
        self.workers.discard(worker)
        self._end_strays()
        return status

    def _end_strays(self) -> None:
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        for _ in range(_ROUNDS):
            strays = {int(child) for child in children.read_text(encoding="ascii").split()} - self.workers
            if not strays:
                return
            for stray in strays:
                os.kill(stray, signal.SIGKILL)
                os.waitpid(stray, 0)
