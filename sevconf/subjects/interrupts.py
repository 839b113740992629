"""
A timer interrupt at a chosen moment: the notification of an event runs while a service is half done.

On real machines the timer may interrupt whatever runs below TPL_HIGH_LEVEL; in the model time passes only where it is
let, so that a run is the same each time.

Spec: UEFI 2.10, 7.1 (a notification interrupts code of a lower level).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sevconf.contract.driver import NotifyFunction
from sevconf.model.event import TICK
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import Entry, ServiceCall, ServiceReturn
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_TIMER, TimerDelay, Tpl


@contextmanager
def timer_inside(machine: ReferenceMachine, service: str, act: int, function: NotifyFunction) -> Iterator[None]:
    """Let `function` run at TPL_NOTIFY, once, right after act number `act` (from 1) of the next call of a service."""
    core = machine.core
    _, timer = core.create_event(EVT_TIMER | EVT_NOTIFY_SIGNAL, Tpl.NOTIFY, function, name="interrupting timer")
    core.set_timer(timer, TimerDelay.RELATIVE, 1)
    alarm = _Alarm(machine, service, act)
    machine.trace.listen(alarm.hear)
    try:
        yield
    finally:
        alarm.armed = False
        core.close_event(timer)


class _Alarm:
    """Counts what a service does, and lets a tick pass when it has come so far."""

    def __init__(self, machine: ReferenceMachine, service: str, act: int) -> None:
        self.armed = True
        self._machine = machine
        self._service = service
        self._left = act
        self._call: int | None = None

    def hear(self, entry: Entry) -> None:
        """Take the next entry of the trace in."""
        if not self.armed:
            return
        if self._call is None:
            if isinstance(entry, ServiceCall) and entry.service == self._service:
                self._call = entry.step
        elif isinstance(entry, ServiceReturn) and entry.call == self._call:
            self.armed = False
        elif entry.within == self._call:
            self._left -= 1
            if not self._left:
                self.armed = False
                self._machine.events.pass_time(TICK)
