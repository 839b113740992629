"""
One run along given choices, in a process of its own that is a copy of the machine as it stands at the hand-over.

The copy is made by fork(2): so every object is as it was, a foreign driver's too, and whatever a run does to it, or to
its process, is gone with it. A run that hangs is killed, and that is its result.
"""

import gc
import os
import pickle
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from sevconf.errors import ForeignFailure, SevconfError
from sevconf.explore.machine import ExploredMachine, seats
from sevconf.explore.plan import Plan
from sevconf.explore.properties import Violation, violations
from sevconf.explore.scheduler import AtChoice, Redundant, Scheduler
from sevconf.explore.state import digest, footprints
from sevconf.trace import Exposed
from sevconf.trace.codec import encode
from sevconf.vocabulary import EfiStatus, EventGroup

#: Seconds that a run may take before it counts as hung.
PATIENCE = 20.0

#: What notifications of each event have been seen to have to do with.
Touches = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Where a run has come to.

    `options` are the ways to go on, none at its end. `state` is the digest of a state, or None if no other may be taken
    for it. `failure` says what foreign code did instead of going on; `redundant` that the run is tried elsewhere.
    """

    choices: tuple[str, ...]
    options: tuple[str, ...] = ()
    state: str | None = None
    violations: tuple[Violation, ...] = ()
    touches: Touches = field(default_factory=dict)
    failure: str = ""
    redundant: bool = False
    #: All acts, chosen or not; and the trace in lines, if it was asked for.
    acts: tuple[str, ...] = ()
    trace: tuple[str, ...] = ()


class Stage:
    """A plan's machine as it stands when the OS loader takes over; made once, and copied for each run."""

    def __init__(self, plan: Plan, scheduler: Scheduler | None = None) -> None:
        self.plan = plan
        self.scheduler = scheduler or Scheduler((), {}, {}, plan.steps, plan.reduced)
        self.machine = ExploredMachine(plan, seats(plan), self.scheduler)
        if any(seat.foreign for seat in self.machine.seats):
            self._rehearse()
        self.machine.set_up()
        self.since = len(self.machine.trace)
        gc.collect()
        gc.freeze()

    @property
    def shows_secrets(self) -> bool:
        """Whether an attacker who looks finds something before the hand-over: the positive control of its end."""
        exposed = self.machine.trace.last(Exposed)
        return exposed is not None and bool(exposed.findings)

    @property
    def handlers(self) -> int:
        """How many exit handlers there are."""
        return len(self.machine.events.members(EventGroup.EXIT_BOOT_SERVICES.value))

    @property
    def owners(self) -> dict[str, str]:
        """Who made each event, by the event's name."""
        return {event.name: event.owner for event in self.machine.events._events.values()}

    def _rehearse(self) -> None:
        """
        Let foreign drivers start in a copy first: whoever hangs or exits there does it here, too.

        Raises:
            ForeignFailure: one did not start.

        """

        def start() -> Outcome:
            self.machine.set_up()
            return Outcome(())

        outcome = _in_copy((), start)
        if outcome.failure:
            raise ForeignFailure(", ".join(self.plan.drivers), "start", outcome.failure)

    def play(self, choices: Sequence[str], touches: Touches, *, traced: bool = False) -> Outcome:
        """Play one run in a copy of the machine."""
        return _in_copy(tuple(choices), lambda: self._run(tuple(choices), touches, traced=traced))

    def _run(self, choices: tuple[str, ...], touches: Touches, *, traced: bool) -> Outcome:
        scheduler, machine = self.scheduler, self.machine
        scheduler.choices, scheduler.touches = choices, touches
        options: tuple[str, ...] = ()
        status: EfiStatus | None = None
        try:
            status = EfiStatus(machine.hand_over())
        except AtChoice as at:
            options = at.options
        except Redundant:
            return Outcome(choices, redundant=True)
        found = violations(machine, status)
        state = None
        if options and machine.late and not scheduler.depth:
            state = digest(machine, self.since, (violation.rule for violation in found))
        return Outcome(
            choices,
            options,
            state,
            found,
            footprints(machine.trace, self.since),
            acts=tuple(scheduler.acts),
            trace=tuple(encode(machine.trace, self.plan.iommu)) if traced else (),
        )


def _in_copy(choices: tuple[str, ...], act: Callable[[], Outcome]) -> Outcome:
    """Do something in a copy of this process; what that leaves behind is its outcome."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _act(choices, act, writing)
    os.close(writing)
    try:
        return _outcome(choices, reading, child)
    finally:
        os.close(reading)


def _act(choices: tuple[str, ...], act: Callable[[], Outcome], writing: int) -> NoReturn:
    try:
        result: Outcome | SevconfError
        try:
            result = act()
        except ForeignFailure as failure:
            result = Outcome(choices, failure=str(failure))
        except Exception as error:  # noqa: BLE001 -- told to whoever asked
            result = SevconfError(f"a run of the explorer failed: {type(error).__name__}: {error}")
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        os._exit(0)
    finally:
        os._exit(1)


def _outcome(choices: tuple[str, ...], reading: int, child: int) -> Outcome:
    packed = b""
    end = time.monotonic() + PATIENCE
    while select.select([reading], [], [], max(end - time.monotonic(), 0))[0]:
        if not (more := os.read(reading, 1 << 16)):
            break
        packed += more
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Outcome(choices, failure=f"foreign code does not return within {PATIENCE:.0f} s")
    _, status = os.waitpid(child, 0)
    if not packed or os.waitstatus_to_exitcode(status) != 0:
        return Outcome(choices, failure="foreign code ended its process")
    result = pickle.loads(packed)  # noqa: S301 -- written by our own copy
    if isinstance(result, Outcome):
        return result
    raise result
