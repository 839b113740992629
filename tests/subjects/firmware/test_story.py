"""What the agent tells, as entries of a trace."""

import pytest

from sevconf.errors import ForeignFailure, LostContact
from sevconf.subjects.firmware.story import Planned, Story
from sevconf.subjects.firmware.wire import Record, Service, Told
from sevconf.trace import EventCreated, ExitPhase, NotificationBegan, Phase, ServiceCall, ServiceReturn, Trace
from sevconf.vocabulary import EVT_SIGNAL_EXIT_BOOT_SERVICES, EfiStatus, EventGroup, Tpl


def story() -> Story:
    """Return a story of one event, `handler`, in slot 2."""
    made = Story(Trace())
    made.events[2] = Planned("handler", EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.NOTIFY, None)
    return made


def tell(to: Story, kind: Record, number: int, *values: int, level: Tpl = Tpl.APPLICATION) -> None:
    """Tell one record."""
    to.tell(Told(kind, 0, level, number, (*values, 0, 0, 0, 0)[:4]))


def test_an_event_that_was_made_belongs_to_its_group() -> None:
    """The type for exit handlers stands for its group."""
    told = story()
    tell(told, Record.CALL, Service.CreateEvent, 2, EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.NOTIFY)
    tell(told, Record.RETURN, Service.CreateEvent, EfiStatus.SUCCESS)
    [created] = told.trace.of(EventCreated)
    assert (created.event, created.group, created.within) == ("handler", EventGroup.EXIT_BOOT_SERVICES.value, 1)


def test_what_happens_inside_a_call_stands_inside_it() -> None:
    """A notification has the call around it, and a call in it has the notification."""
    told = story()
    tell(told, Record.CALL, Service.SignalEvent, 2)
    tell(told, Record.BEGAN, 2, level=Tpl.NOTIFY)
    tell(told, Record.CALL, Service.Stall, 0, 5, level=Tpl.NOTIFY)
    tell(told, Record.RETURN, Service.Stall, level=Tpl.NOTIFY)
    tell(told, Record.ENDED, 2, level=Tpl.NOTIFY)
    tell(told, Record.RETURN, Service.SignalEvent)
    assert [entry.within for entry in told.trace] == [None, 1, 2, 3, 1, 1]
    assert [entry.tpl for entry in told.trace.of(NotificationBegan)] == [Tpl.NOTIFY]
    assert told.depth == 0


def test_of_an_exit_only_what_is_seen_is_told() -> None:
    """A refused key is seen by its status."""
    told = story()
    tell(told, Record.CALL, Service.ExitBootServices, 0, 7)
    tell(told, Record.RETURN, Service.ExitBootServices, EfiStatus.INVALID_PARAMETER)
    phases = [entry.phase for entry in told.trace.of(ExitPhase)]
    assert phases == [Phase.CALLED, Phase.KEY_REFUSED, Phase.RETURNED]
    assert [entry.arguments for entry in told.trace.of(ServiceCall)] == [(("map_key", 7),)]


def test_a_level_is_a_result_without_status() -> None:
    """RaiseTPL returns the level before."""
    told = story()
    tell(told, Record.CALL, Service.RaiseTPL, 0, Tpl.NOTIFY)
    tell(told, Record.RETURN, Service.RaiseTPL, 0, Tpl.APPLICATION, level=Tpl.NOTIFY)
    [done] = told.trace.of(ServiceReturn)
    assert (done.status, done.results) == (None, (("old_tpl", 4),))


def test_an_end_without_a_beginning_is_our_fault() -> None:
    """A story that does not nest was garbled."""
    with pytest.raises(LostContact, match="the end of handler inside nothing"):
        tell(story(), Record.ENDED, 2)


def test_an_unknown_status_is_the_cores_fault() -> None:
    """Appendix D is a closed list."""
    told = story()
    tell(told, Record.CALL, Service.Stall)
    with pytest.raises(ForeignFailure, match="no status of appendix D"):
        tell(told, Record.RETURN, Service.Stall, 12345)
