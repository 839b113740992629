"""The trace: one ordered list of entries, with the few questions that every reader asks."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sevconf.trace.entries import Entry, ExitPhase, NotificationBegan, Phase, ServiceCall
from sevconf.vocabulary import EventGroup, Tpl

E = TypeVar("E", bound=Entry)


class Trace:
    """
    An append-only list of entries, numbered from step 1 without gaps.

    `listen` functions are called with each new entry: that is how a worker streams its trace to its parent.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._listeners: list[Callable[[Entry], None]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call `listener` with every entry from now on."""
        self._listeners.append(listener)

    def record(self, kind: type[E], actor: str, within: int | None, tpl: Tpl, **fields: Any) -> E:
        """Append an entry of that kind and return it."""
        entry = kind(step=len(self._entries) + 1, actor=actor, within=within, tpl=tpl, **fields)
        self.append(entry)
        return entry

    def append(self, entry: Entry) -> None:
        """
        Append a finished entry, as a reader of files or pipes does.

        Raises:
            ValueError: its step is not the next one.

        """
        if entry.step != len(self._entries) + 1:
            raise ValueError(f"expected step {len(self._entries) + 1} next, not {entry.step}")
        self._entries.append(entry)
        for listener in self._listeners:
            listener(entry)

    def at(self, step: int) -> Entry:
        """Return the entry of that step (from 1)."""
        return self._entries[step - 1]

    def since(self, step: int) -> Iterator[Entry]:
        """Yield the entries behind that step (0: all)."""
        return iter(self._entries[step:])

    def of(self, kind: type[E], *, since: int = 0) -> Iterator[E]:
        """Yield the entries of one kind, behind step `since`."""
        return (entry for entry in self._entries[since:] if isinstance(entry, kind))

    def last(self, kind: type[E]) -> E | None:
        """Return the newest entry of one kind, or None."""
        return next((entry for entry in reversed(self._entries) if isinstance(entry, kind)), None)

    def enclosing(self, entry: Entry) -> Iterator[Entry]:
        """Yield the acts inside which an entry happened, innermost first."""
        step = entry.within
        while step is not None:
            outer = self.at(step)
            yield outer
            step = outer.within

    def phase(self, phase: Phase, *, since: int = 0) -> ExitPhase | None:
        """Return the first entry of that phase of ExitBootServices behind step `since`, or None."""
        return next((entry for entry in self.of(ExitPhase, since=since) if entry.phase is phase), None)

    def handlers(self, group: EventGroup = EventGroup.EXIT_BOOT_SERVICES) -> list[NotificationBegan]:
        """Return the notifications of an event group that began, in order."""
        return [entry for entry in self.of(NotificationBegan) if entry.group == group.value]

    def calls(self, *services: str) -> list[ServiceCall]:
        """Return the calls of these services, in order."""
        return [entry for entry in self.of(ServiceCall) if entry.service in services]
