"""Who acts, inside what, at which level: the one place that writes the reference machine's trace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sevconf.trace import Entry, ServiceCall, ServiceReturn, Trace, Value
from sevconf.vocabulary import EfiStatus, Tpl

E = TypeVar("E", bound=Entry)


class Service:
    """An open service call; `returns` says what it gives back."""

    def __init__(self, recorder: "Recorder", call: ServiceCall) -> None:
        self._recorder = recorder
        self._call = call

    def returns(self, status: EfiStatus | None, **results: Value) -> EfiStatus:
        """Record the return, and pass the status through (EFI_SUCCESS for a service without one)."""
        self._recorder.record(
            ServiceReturn,
            call=self._call.step,
            service=self._call.service,
            status=status,
            results=tuple(results.items()),
        )
        return EfiStatus.SUCCESS if status is None else status


class Recorder:
    """
    The trace's writer: keeps the stack of actors and of open acts.

    `tpl` is the current level of the processor; the core sets it. `behind_each` is called whenever a step has had its
    effect, which is just before the next one is recorded; what it records itself does not call it.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.tpl = Tpl.APPLICATION
        self._actors = ["scenario"]
        self._open: list[int | None] = [None]
        self.behind_each: Callable[[], None] | None = None

    @property
    def actor(self) -> str:
        """Whoever acts now."""
        return self._actors[-1]

    def record(self, kind: type[E], *, by: str | None = None, **fields: Any) -> E:
        """Append an entry of the present actor, or of another (`by`)."""
        if self.behind_each is not None:
            look, self.behind_each = self.behind_each, None
            look()
            self.behind_each = look
        return self.trace.record(kind, by or self._actors[-1], self._open[-1], self.tpl, **fields)

    @contextmanager
    def acting(self, actor: str) -> Iterator[None]:
        """Let `actor` be who acts."""
        self._actors.append(actor)
        try:
            yield
        finally:
            self._actors.pop()

    @contextmanager
    def inside(self, step: int) -> Iterator[None]:
        """Let what follows happen inside the act of that step."""
        self._open.append(step)
        try:
            yield
        finally:
            self._open.pop()

    @contextmanager
    def service(self, name: str, provider: str, **arguments: Value) -> Iterator[Service]:
        """Record a call by the present actor; what the service itself does is done by `provider`."""
        call = self.record(ServiceCall, service=name, arguments=tuple(arguments.items()))
        self._actors.append(provider)
        self._open.append(call.step)
        try:
            yield Service(self, call)
        finally:
            self._open.pop()
            self._actors.pop()
