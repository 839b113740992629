"""The trace as a list: it grows by one step at a time, and answers the questions that every reader asks."""

import pytest

from sevconf.trace import (
    Entry,
    ExitPhase,
    HostAct,
    MappingEnded,
    NotificationBegan,
    Phase,
    ServiceCall,
    Trace,
)
from sevconf.vocabulary import EventGroup, Tpl


def _host(trace: Trace, what: str = "rests", within: int | None = None) -> HostAct:
    return trace.record(HostAct, "host", within, Tpl.APPLICATION, what=what)


def test_steps_are_numbered_from_one() -> None:
    """Entries get the next step, and come back by it."""
    trace = Trace()
    made = [_host(trace, what) for what in "abc"]
    assert [entry.step for entry in trace] == [1, 2, 3]
    assert [trace.at(step) for step in (1, 2, 3)] == made
    assert len(trace) == 3


@pytest.mark.parametrize("step", [0, 1, 3])
def test_only_the_next_step_can_follow(step: int) -> None:
    """A reader cannot append an entry that leaves a gap or doubles a step."""
    trace = Trace()
    _host(trace)
    with pytest.raises(ValueError, match=f"^expected step 2 next, not {step}$"):
        trace.append(HostAct(step, "host", None, Tpl.APPLICATION, "rests"))
    assert len(trace) == 1


def test_listeners_hear_every_entry_from_then_on() -> None:
    """Whoever listens gets each new entry, once it is in the trace, and none of before."""
    trace = Trace()
    _host(trace)
    heard: list[tuple[Entry, int]] = []
    trace.listen(lambda entry: heard.append((entry, len(trace))))
    second = _host(trace)
    third = HostAct(3, "host", None, Tpl.APPLICATION, "rests")
    trace.append(third)
    assert heard == [(second, 2), (third, 3)]


def test_a_reader_can_go_on_behind_a_step() -> None:
    """`since` gives what is behind a step, `of` one kind of it, `last` the newest."""
    trace = Trace()
    _host(trace, "one")
    ended = trace.record(MappingEnded, "scenario", None, Tpl.APPLICATION, mapping="M1")
    two = _host(trace, "two")
    assert list(trace.since(1)) == [ended, two]
    assert list(trace.since(0)) == list(trace)
    assert list(trace.of(HostAct, since=1)) == [two]
    assert list(trace.of(Entry)) == list(trace)
    assert trace.last(MappingEnded) is ended
    assert trace.last(HostAct) is two
    assert trace.last(ServiceCall) is None


def test_what_encloses_an_entry_comes_innermost_first() -> None:
    """An entry's surroundings are followed to the outermost act."""
    trace = Trace()
    outer, inner = _host(trace), _host(trace, within=1)
    _host(trace)
    innermost = _host(trace, within=2)
    assert list(trace.enclosing(innermost)) == [inner, outer]
    assert list(trace.enclosing(outer)) == []


def test_a_phase_is_the_first_of_its_kind_behind_a_step() -> None:
    """Phases of a second call of ExitBootServices are found behind the first's."""
    trace = Trace()
    phases = [
        trace.record(ExitPhase, "core", None, Tpl.APPLICATION, phase=phase)
        for phase in (Phase.CALLED, Phase.KEY_REFUSED, Phase.CALLED, Phase.KEY_ACCEPTED)
    ]
    assert trace.phase(Phase.CALLED) is phases[0]
    assert trace.phase(Phase.CALLED, since=1) is phases[2]
    assert trace.phase(Phase.KEY_ACCEPTED) is phases[3]
    assert trace.phase(Phase.HANDED_OFF) is None


def test_handlers_are_the_notifications_of_a_group() -> None:
    """Only notifications of the named group count, the exit group by default."""
    trace = Trace()
    began = [
        trace.record(NotificationBegan, "driver:a", None, Tpl.CALLBACK, event=str(group), group=group)
        for group in (EventGroup.EXIT_BOOT_SERVICES.value, None, EventGroup.BEFORE_EXIT_BOOT_SERVICES.value)
    ]
    assert trace.handlers() == [began[0]]
    assert trace.handlers(EventGroup.BEFORE_EXIT_BOOT_SERVICES) == [began[2]]


def test_calls_are_found_by_name() -> None:
    """Calls of several services come in the order of the trace."""
    trace = Trace()
    calls = [
        trace.record(ServiceCall, "scenario", None, Tpl.APPLICATION, service=service)
        for service in ("FreePool", "AllocatePool", "Stall", "FreePool")
    ]
    assert trace.calls("AllocatePool", "FreePool") == [calls[0], calls[1], calls[3]]
    assert trace.calls("CloseEvent") == []
