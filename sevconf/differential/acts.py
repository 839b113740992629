"""
Sequences of acts on a core, and what can be observed of them.

A sequence is plain values. It is played on the facet `core` of any machine; acts that make no sense at their turn (a
level below the present one, a page that is not there) are left out, in the same way on every machine. What is observed
is the order of calls, returns and notifications with their statuses; addresses, keys and stamps are not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sevconf.contract import Act, EventSpec, Machine
from sevconf.contract.driver import MemoryMap
from sevconf.trace import NotificationBegan, NotificationEnded, ServiceCall, ServiceReturn, Trace
from sevconf.vocabulary import EfiStatus, Gva, TimerDelay, Tpl

Kind: TypeAlias = Literal[
    "create", "signal", "close", "check", "tick", "raise", "restore", "pages", "free-pages", "pool", "free-pool",
    "stale-exit", "exit",
]  # fmt: skip
#: Units of 100 ns until a timer signals, and for which time passes then: a tick of a core is 10 ms.
SPAN, LONG = 100_000, 500_000
#: Bytes of a pool buffer, large enough for pages of its own.
POOL = 65_536


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a sequence; `number` is a count of pages."""

    kind: Kind
    event: str = ""
    spec: EventSpec | None = None
    tpl: Tpl = Tpl.APPLICATION
    number: int = 1

    def __str__(self) -> str:
        match self.kind:
            case "create" if self.spec is not None:
                script = "; ".join(_scripted(act) for act in self.spec.script)
                level = f" at {self.spec.tpl}" if self.spec.tpl else ""
                group = f" in {self.spec.group[:8]}" if self.spec.group else ""
                return f"create {self.spec.name}: {self.spec.type:#x}{level}{group}{f' {{{script}}}' if script else ''}"
            case "raise":
                return f"raise to {self.tpl}"
            case "pages":
                return f"allocate {self.number} pages"
        return f"{self.kind} {self.event}".strip()


def _scripted(act: Act) -> str:
    return f"{act.service} {act.event or act.size}"


class Player:
    """Plays a sequence on a machine; `reached_exit` tells whether boot services ended."""

    def __init__(self, machine: Machine) -> None:
        self._core = machine.core
        self._levels = [Tpl.APPLICATION]
        self._pages: list[tuple[Gva, int]] = []
        self._pool: list[Gva] = []
        self._refused = False
        self.played = 0
        self.reached_exit = False

    def play(self, sequence: Sequence[Step]) -> None:
        """Play it to its end, or to that of boot services; then let what is queued run."""
        for step in sequence:
            self.played += self._play(step)
            if self.reached_exit:
                return
        self._descend()

    def _descend(self) -> None:
        while len(self._levels) > 1:
            self._levels.pop()
            self._core.restore_tpl(self._levels[-1])

    def _play(self, step: Step) -> bool:
        core = self._core
        match step.kind:
            case "create" if step.spec is not None:
                core.create_event(step.spec)
            case "signal":
                core.signal_event(step.event)
            case "close":
                core.close_event(step.event)
            case "check":
                core.check_event(step.event)
            case "tick" if len(self._levels) == 1 and not self._refused:
                if core.set_timer(step.event, TimerDelay.RELATIVE, SPAN) is EfiStatus.SUCCESS:
                    core.pass_time(LONG)
            case "raise" if step.tpl > self._levels[-1]:
                core.raise_tpl(step.tpl)
                self._levels.append(step.tpl)
            case "restore" if len(self._levels) > 1:
                self._levels.pop()
                core.restore_tpl(self._levels[-1])
            case "pages" if self._may_allocate:
                self._pages.append((core.allocate_pages(step.number)[1], step.number))
            case "free-pages" if self._pages and self._may_allocate:
                core.free_pages(*self._pages.pop())
            case "pool" if self._may_allocate:
                self._pool.append(core.allocate_pool(POOL)[1])
            case "free-pool" if self._pool and self._may_allocate:
                core.free_pool(self._pool.pop())
            case "stale-exit":
                key = self._map().map_key
                core.allocate_pages(1)
                core.exit_boot_services(key)
                # Whether timers start again after a refused call is left open.
                self._refused = True
            case "exit":
                self.reached_exit = core.exit_boot_services(self._map().map_key) is EfiStatus.SUCCESS
            case _:
                return False
        return True

    @property
    def _may_allocate(self) -> bool:
        return self._levels[-1] <= Tpl.NOTIFY

    def _map(self) -> MemoryMap:
        self._descend()
        return self._core.memory_map()[1]


def observed(trace: Trace) -> tuple[str, ...]:
    """Return what can be observed of a trace, line by line."""
    return tuple(_observed(trace))


def _observed(trace: Trace) -> Iterator[str]:
    for entry in trace:
        match entry:
            case _ if entry.actor not in {"scenario", "core"}:
                continue
            case ServiceCall():
                yield f"{entry.service} is called"
            case ServiceReturn():
                told = f"level {dict(entry.results).get('old_tpl')}" if entry.status is None else str(entry.status)
                yield f"{entry.service} returns {told}"
            case NotificationBegan():
                yield f"{entry.event} begins"
            case NotificationEnded():
                yield f"{entry.event} ends"
