"""What drivers' handlers do with timers, other drivers and mappings while ExitBootServices runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sevconf.model.recorder import Recorder
from sevconf.monitors import Monitor
from sevconf.monitors.exit_duties import CallsOtherDriver, MapsAtExit, WaitsForTimer
from sevconf.trace import EventCreated, ExitPhase, NotificationBegan, Phase, Trace, Value
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_TIMER, EventGroup, TimerDelay, Tpl


def _exit(*, actor: str = "driver:disk", accepted: bool = True) -> Callable[..., Trace]:
    """Return a function that plays one service call in a handler of that actor and returns the trace."""

    def play(service: str, *, inside: str = "", **arguments: Value) -> Trace:
        recorder = Recorder(Trace())
        for name, kind in (("timer", EVT_TIMER), ("other", EVT_NOTIFY_SIGNAL)):
            recorder.record(EventCreated, event=name, type=kind, notify_tpl=None, group=None)
        if accepted:
            recorder.record(ExitPhase, phase=Phase.KEY_ACCEPTED)
        with _handler(recorder, actor):
            if inside:
                with recorder.service(inside, actor), recorder.service(service, "core", **arguments):
                    pass
            else:
                with recorder.service(service, "core", **arguments):
                    pass
        return recorder.trace

    return play


@contextmanager
def _handler(recorder: Recorder, actor: str) -> Iterator[None]:
    recorder.tpl = Tpl.CALLBACK
    group = EventGroup.EXIT_BOOT_SERVICES.value
    began = recorder.record(NotificationBegan, by=actor, event="E1", group=group)
    with recorder.acting(actor), recorder.inside(began.step):
        yield


BREACHES = [
    (WaitsForTimer(), "CheckEvent", {"event": "timer"}, "waits for ever"),
    (WaitsForTimer(), "SetTimer", {"event": "timer", "delay": int(TimerDelay.RELATIVE)}, "never comes"),
    (WaitsForTimer(), "SetTimer", {"event": "timer", "delay": int(TimerDelay.PERIODIC)}, "never comes"),
    (CallsOtherDriver(), "BlockIo.ReadBlocks", {}, "may have halted its device"),
    (CallsOtherDriver(), "SimpleNetwork.Transmit", {}, "may have halted its device"),
    (MapsAtExit(), "PciIo.Map", {}, "nobody would end the mapping"),
]
RIGHT = [
    (WaitsForTimer(), "CheckEvent", {"event": "other"}),
    (WaitsForTimer(), "SetTimer", {"event": "timer", "delay": int(TimerDelay.CANCEL)}),
    (WaitsForTimer(), "Stall", {}),
    (CallsOtherDriver(), "PciIo.Unmap", {}),
    (MapsAtExit(), "PciIo.Unmap", {}),
]


@pytest.mark.parametrize(("monitor", "service", "arguments", "why"), BREACHES)
def test_breaches(monitor: Monitor, service: str, arguments: dict[str, Value], why: str) -> None:
    """Each act that the rule names is charged, with accepted key, handler and call as its proof."""
    (breach,) = monitor.breaches(_exit()(service, **arguments))
    assert (breach.rule, breach.culprit, breach.steps) == (monitor.rule, "driver:disk", (3, 4, 5))
    assert why in breach.observed


@pytest.mark.parametrize(("monitor", "service", "arguments"), RIGHT)
def test_what_is_right(monitor: Monitor, service: str, arguments: dict[str, Value]) -> None:
    """Cancelling a timer, looking at another event and plain work are nobody's breach."""
    assert monitor.breaches(_exit()(service, **arguments)) == ()


@pytest.mark.parametrize(("monitor", "service", "arguments", "why"), BREACHES)
def test_where_it_does_not_count(monitor: Monitor, service: str, arguments: dict[str, Value], why: str) -> None:
    """The same act counts neither of another party, nor outside of the exit, nor inside a service of another."""
    assert monitor.breaches(_exit(actor="scenario")(service, **arguments)) == ()
    assert monitor.breaches(_exit(accepted=False)(service, **arguments)) == ()
    assert monitor.breaches(_exit()(service, inside="PciIo.FreeBuffer", **arguments)) == ()
