"""A machine in a worker, asked over a line: the contract's Machine, whatever its facets are."""

import inspect
import os
import signal
import time
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, NoReturn, cast, get_type_hints

from sevconf.contract import IommuVariant, Machine
from sevconf.contract.machine import (
    CoreFacet,
    DmaFacet,
    DriverFacet,
    GuestMemoryFacet,
    HostFacet,
    IommuFacet,
    KeyboardFacet,
    LoaderFacet,
    NetworkFacet,
    OwnDeviceFacet,
    SetupFacet,
)
from sevconf.errors import ForeignFailure, Hung, LostContact, TimedOut, Unsupported
from sevconf.subjects.python import words
from sevconf.subjects.python.job import FAREWELL, FOREIGN_FACETS, MUTE, Job
from sevconf.subjects.python.line import Answer, Failure, Inbox, LineError, Request, drain, gulp, packed
from sevconf.subjects.python.nursery import Nursery, ended, wait
from sevconf.trace import Entry, Trace, party_of
from sevconf.vocabulary import Party, Tpl

#: Seconds between two looks at the trace of a worker that is busy.
GLANCE = 0.005
#: Seconds that a worker may take to end after its line did.
DYING = 1.0
_FORKER_HARMED = "stops or kills the process that makes its workers"


class Conversation:
    """
    Requests to one worker and what comes back, under one limit of time for all of them; the trace grows meanwhile.

    After a failure that ended the worker, every further request fails in the same way.
    """

    def __init__(self, nursery: Nursery, job: Job) -> None:
        self.trace = Trace()
        self._nursery = nursery
        self._job = job
        self._inbox = Inbox()
        self._entries = Inbox()
        self._failure: BaseException | None = None
        self._output = ""
        self._spent = 0.0
        self._child = nursery.fork(job)
        self._open = True

    @property
    def party(self) -> str:
        """Which party foreign code is."""
        return party_of(self._job.origin.culprit)

    @property
    def output(self) -> str:
        """What foreign code wrote to its output, so far or until the worker ended."""
        if self._open:
            self._output = self._read_output()
        return self._output

    def _read_output(self) -> str:
        return os.pread(self._child.output.fileno(), self._job.limits.output, 0).decode(errors="replace")

    def ask(self, request: Request) -> Any:
        """Send a request, and return its answer."""
        if self._failure is not None:
            raise self._failure
        if not self._open:
            raise LostContact(self._job.origin.name, f"{request.facet}.{request.method} of a machine that is closed")
        try:
            self._child.line.sendall(packed(request))
        except TimeoutError:
            self._hung(request)
        except ConnectionError:
            self._died(request)
        return self.answer(request)

    def answer(self, request: Request) -> Any:
        """Return what the worker answers to a request, or raise what it says went wrong."""
        began = time.monotonic()
        try:
            return self._answer(request, began + self._job.limits.wall - self._spent)
        finally:
            self._spent += time.monotonic() - began

    def _answer(self, request: Request, deadline: float) -> Any:
        while True:
            speaks, dead = wait(self._child, min(deadline - time.monotonic(), GLANCE))
            piece = gulp(self._child.line) if speaks else b""
            self._read_trace(request)  # behind the answer, which comes after its entries
            if speaks:
                if not piece:
                    self._died(request)
                self._inbox.feed(piece)
                for value in self._values(self._inbox, Answer | Failure, request):
                    return self._value(value)
            elif dead:
                self._died(request)
            if time.monotonic() > deadline:
                self._hung(request)

    def _read_trace(self, request: Request) -> None:
        for piece in drain(self._child.record):
            self._entries.feed(piece)
            for entry in self._values(self._entries, Entry, request):
                self._append(entry, request)

    def _append(self, entry: Entry, request: Request) -> None:
        try:
            self.trace.append(entry)
        except ValueError:
            self._garbled(request)

    def _values(self, inbox: Inbox, kind: Any, request: Request) -> list[Any]:
        try:
            values = list(inbox.take())
        except LineError:
            self._garbled(request)
        if not all(isinstance(value, kind) for value in values):
            self._garbled(request)
        return values

    def _garbled(self, request: Request) -> NoReturn:
        how = "writes into the line between its worker and the suite"
        self._fail(ForeignFailure(self._job.origin.culprit, self._about(request), how))

    def _value(self, value: Answer | Failure) -> Any:
        if isinstance(value, Answer):
            return value.value
        if value.fatal:
            self._fail(value.error)
        raise value.error

    def _about(self, request: Request) -> str:
        return words.act_within(self.trace, request.act, self.party)

    def _hung(self, request: Request) -> NoReturn:
        seconds = f"{self._job.limits.wall:g} s"
        if request.facet in FOREIGN_FACETS:
            self._fail(Hung(self._job.origin.culprit, self._about(request), f"hung past {seconds}"))
        self._fail(TimedOut(self._job.origin.name, f"{request.facet}.{request.method} takes longer than {seconds}"))

    def _died(self, request: Request) -> NoReturn:
        by_itself = ended(self._child, DYING)
        if self._nursery.harmed():
            self.close()
            self._fail(ForeignFailure(self._job.origin.culprit, self._about(request), _FORKER_HARMED))
        status = self.close()
        if not by_itself:
            how = "cuts the line between its worker and the suite"
        else:
            how = "killed its worker" if status is None else _ending(status, self._job)
        self._fail(ForeignFailure(self._job.origin.culprit, self._about(request), how))

    def _fail(self, error: BaseException) -> NoReturn:
        self._failure = error
        self.close()
        raise error

    def part(self) -> None:
        """End the worker in peace: one that did not fail so far is asked whether it is still itself."""
        if self._open:
            try:
                self.ask(Request(FAREWELL, "", {}, "leave the suite alone"))
            except BaseException:
                self.close()
                raise
            if self._nursery.harmed():
                self._fail(ForeignFailure(self._job.origin.culprit, "leave other processes alone", _FORKER_HARMED))
            self._output = self._read_output()
            self._open = False
            self._nursery.release(self._child)

    def close(self) -> int | None:
        """End the worker; returns its wait status, or None if it is not known."""
        if not self._open:
            return None
        self._output = self._read_output()
        self._open = False
        return self._nursery.end(self._child)


def _ending(status: int, job: Job) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code == MUTE:
        return "cuts the line between its worker and the suite"
    if code >= 0:
        return f"killed its worker (exit code {code})"
    name = signal.Signals(-code).name
    limit = f", at its limit of {job.limits.cpu} s of processor time" if -code == signal.SIGXCPU else ""
    return f"killed its worker (signal {name}){limit}"


@cache
def _signatures(facet: str) -> dict[str, inspect.Signature]:
    protocol = get_type_hints(getattr(Machine, facet).fget)["return"]
    functions = {name: value for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_"}
    return {name: inspect.signature(function) for name, function in functions.items()}


class RemoteFacet:
    """Any facet: each method of its Protocol becomes a request."""

    def __init__(self, conversation: Conversation, facet: str) -> None:
        self._conversation = conversation
        self._facet = facet

    def __getattr__(self, method: str) -> Callable[..., Any]:
        signature = _signatures(self._facet).get(method)
        if signature is None:
            raise AttributeError(f"the contract's facet {self._facet} has no {method}")

        def call(*given: Any, **named: Any) -> Any:
            arguments = dict(signature.bind(self, *given, **named).arguments)
            del arguments["self"]
            act = words.act(self._facet, method, arguments, self._conversation.party)
            return self._conversation.ask(Request(self._facet, method, arguments, act))

        return call


class NoSetup:
    """A foreign driver makes its own choices."""

    def iommu_handler(self, tpl: Tpl) -> None:
        """Refuse."""
        raise Unsupported(f"handlers of a machine with a foreign driver stay where they are, also at {tpl}")

    def driver_handler(self, tpl: Tpl) -> None:
        """Refuse."""
        raise Unsupported(f"the level of a foreign driver's handler is its own choice, not {tpl}")

    def opening_iommu(self) -> None:
        """Refuse."""
        raise Unsupported("the IOMMU driver of a machine with a foreign driver is the reference's")

    def iommu_variant(self, variant: IommuVariant) -> None:
        """Refuse."""
        raise Unsupported(f"the IOMMU driver of a machine with a foreign driver is the reference's, not {variant}")

    def deferring_driver(self, *, tpl: Tpl) -> None:
        """Refuse."""
        raise Unsupported(f"the driver of this machine is the foreign one, not one that defers its halt at {tpl}")

    def keyboard_transfers(self) -> None:
        """Refuse."""
        raise Unsupported("how a keyboard driver maps its transfers is not chosen beside a foreign driver")


class RemoteMachine:
    """The machine; making it waits until the class is imported."""

    def __init__(self, nursery: Nursery, job: Job) -> None:
        self._conversation = Conversation(nursery, job)
        own_iommu = job.origin.role == Party.IOMMU_DRIVER.value and job.iommu is None
        self.setup: SetupFacet = cast("SetupFacet", self._facet("setup")) if own_iommu else NoSetup()
        self._conversation.answer(Request("driver", "", {}, "be imported"))

    @property
    def trace(self) -> Trace:
        """Everything that has arrived."""
        return self._conversation.trace

    @property
    def output(self) -> str:
        """What foreign code wrote to its output."""
        return self._conversation.output

    def _facet(self, name: str) -> Any:
        return RemoteFacet(self._conversation, name)

    @cached_property
    def memory(self) -> GuestMemoryFacet:
        """Guest memory."""
        return cast("GuestMemoryFacet", self._facet("memory"))

    @cached_property
    def host(self) -> HostFacet:
        """The host."""
        return cast("HostFacet", self._facet("host"))

    @cached_property
    def core(self) -> CoreFacet:
        """The core."""
        return cast("CoreFacet", self._facet("core"))

    @cached_property
    def dma(self) -> DmaFacet:
        """The probe."""
        return cast("DmaFacet", self._facet("dma"))

    @cached_property
    def driver(self) -> DriverFacet:
        """The disk, with a foreign driver if that is its kind."""
        return cast("DriverFacet", self._facet("driver"))

    @cached_property
    def keyboard(self) -> KeyboardFacet:
        """The keyboard, with a foreign driver if that is its kind."""
        return cast("KeyboardFacet", self._facet("keyboard"))

    @cached_property
    def network(self) -> NetworkFacet:
        """The network card, with a foreign driver if that is its kind."""
        return cast("NetworkFacet", self._facet("network"))

    @cached_property
    def own_device(self) -> OwnDeviceFacet:
        """A foreign driver's own device, if that is its kind."""
        return cast("OwnDeviceFacet", self._facet("own_device"))

    @cached_property
    def loader(self) -> LoaderFacet:
        """The OS loader."""
        return cast("LoaderFacet", self._facet("loader"))

    @cached_property
    def iommu(self) -> IommuFacet:
        """The IOMMU."""
        return cast("IommuFacet", self._facet("iommu"))

    def close(self) -> None:
        """
        End the worker and all that it started.

        Raises:
            ForeignFailure: foreign code changed the suite's own code in its worker.

        """
        self._conversation.part()
