"""
The reference with the ways of a real core: choices that UEFI leaves, and deviations that are public in its source.

What a class changes is what its core is known to do otherwise; nothing else may differ. So a difference that a sequence
shows is new: a bug of the reference, a bug of the core, or a freedom that nobody had seen.

Source: EDK II edk2-stable202211, `MdeModulePkg/Core/Dxe/Event/Event.c`; U-Boot v2023.01,
`lib/efi_loader/efi_boottime.c`.
"""

from collections.abc import Sequence

from sevconf.contract.driver import EventHandle, NotifyFunction
from sevconf.model.boot_services import Core
from sevconf.model.eras import CoreBeforeUefi29
from sevconf.model.event import Event, Events
from sevconf.model.parts import Parts, Policy
from sevconf.trace import Phase
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_NOTIFY_WAIT,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_TIMER,
    EfiStatus,
    EventGroup,
    TimerDelay,
    Tpl,
)

#: Types that may be in a group.
_ORDINARY = frozenset(timer | notify for timer in (0, EVT_TIMER) for notify in (0, EVT_NOTIFY_WAIT, EVT_NOTIFY_SIGNAL))


class NoHighLevel(Events):
    """Refuses notifications at TPL_HIGH_LEVEL, as both cores do (EVT-17)."""

    def _legal_level(self, tpl: Tpl) -> bool:
        return super()._legal_level(tpl) and tpl is not Tpl.HIGH_LEVEL


class EdkEvents(NoHighLevel):
    """
    EDK II's events.

    Groups are a matter of events that notify on signal alone (EVT-12); a member that waits already moves to the end of
    its queue; an event that is signaled already is not signaled again, and its group's members are not signaled at all:
    they are queued. An event that joins the exit group becomes one that CreateEvent makes for it, whatever its type.
    """

    def create(
        self,
        type: int,
        notify_tpl: Tpl,
        function: NotifyFunction | None,
        group: str | None = None,
        name: str | None = None,
    ) -> tuple[EfiStatus, EventHandle]:
        """CoreCreateEventInternal."""
        if group == EventGroup.EXIT_BOOT_SERVICES.value and type in _ORDINARY:
            type, group = EVT_SIGNAL_EXIT_BOOT_SERVICES, None  # noqa: A001 -- the prototype's name
        return super().create(type, notify_tpl, function, group, name)

    def signal(self, event: Event) -> None:
        """CoreSignalEvent."""
        if not event.signaled:
            event.signaled = True
            if event.notifies_on_signal and event.group is not None:
                self._signal_members(event.group)
            elif event.notifies_on_signal:
                self._enqueue(event)
        self.dispatch()

    def _signal_members(self, group: str) -> None:
        for event in self.order([event for event in self.members(group) if event.notifies_on_signal]):
            self._enqueue(event)

    def _enqueue(self, event: Event) -> None:
        self._unqueue(event)
        super()._enqueue(event)


class UBootEvents(NoHighLevel):
    """
    U-Boot's events.

    Each member of a group runs as it is queued (EVT-01, EVT-03), members that the first ones add included; an event
    that is signaled already is not signaled again; a notification leaves all but events of plain type 0x200 signaled;
    signaling queues whatever has a notification function; an exit handler that CreateEvent made is in no group before
    the exit.
    """

    def create(
        self,
        type: int,
        notify_tpl: Tpl,
        function: NotifyFunction | None,
        group: str | None = None,
        name: str | None = None,
    ) -> tuple[EfiStatus, EventHandle]:
        """efi_create_event."""
        status, handle = super().create(type, notify_tpl, function, group, name)
        if type == EVT_SIGNAL_EXIT_BOOT_SERVICES and status is EfiStatus.SUCCESS:
            self._events[handle].group = None
        return status, handle

    def signal(self, event: Event) -> None:
        """efi_signal_event."""
        if event.signaled:
            return
        if event.group is None:
            event.signaled = True
            self._queue(event)
        else:
            for member in self.members(event.group):
                member.signaled = True
            self._walk(event.group)

    def notify_exit(self) -> None:
        """Queue the exit group, signaled or not: the platform's own member, which nobody signaled before, begins it."""
        for member in self.every():
            if member.type == EVT_SIGNAL_EXIT_BOOT_SERVICES:
                member.group = EventGroup.EXIT_BOOT_SERVICES.value
        for member in self.members(EventGroup.EXIT_BOOT_SERVICES.value):
            member.signaled = True
        self._walk(EventGroup.EXIT_BOOT_SERVICES.value)

    def _walk(self, group: str) -> None:
        at = 0
        while left := [member for member in self.members(group) if member.handle > at]:
            at = left[0].handle
            self._queue(left[0])

    def _queue(self, event: Event) -> None:
        if event.function is not None:
            self._enqueue(event)
            self.dispatch()

    def signal_group(self, group: str) -> None:
        """Signal a group by its oldest member."""
        for member in self.members(group)[:1]:
            self.signal(member)

    def queue_group(self, group: str) -> None:
        """Signal a group, and run it at once."""
        self.signal_group(group)

    def check(self, event: Event) -> bool:
        """efi_check_event."""
        if not event.signaled:
            self._queue(event)
        was, event.signaled = event.signaled, False
        return was

    def set_timer(self, event: Event, delay: TimerDelay, trigger_time: int) -> None:
        """efi_set_timer."""
        super().set_timer(event, delay, trigger_time)
        event.signaled = False

    def _notify(self, event: Event) -> None:
        # Signaled while its function runs, so what that signals does not come back to it.
        signaled, function = event.signaled, event.function

        def run() -> None:
            event.signaled = signaled
            if function is not None:
                function()

        event.function = run
        super()._notify(event)
        event.function = function
        if event.type == EVT_NOTIFY_SIGNAL:
            event.signaled = False


class UBootCore(Core):
    """U-Boot's ExitBootServices: the key first, then the group before; and CreateEventEx without special types."""

    def create_event_ex(
        self,
        type: int,
        notify_tpl: Tpl,
        function: NotifyFunction | None = None,
        group: str | None = None,
        *,
        name: str | None = None,
    ) -> tuple[EfiStatus, EventHandle]:
        """efi_create_event_ex."""
        if type != EVT_SIGNAL_EXIT_BOOT_SERVICES:
            return super().create_event_ex(type, notify_tpl, function, group, name=name)
        with self._service("CreateEventEx", type=type, notify_tpl=int(notify_tpl), group=group) as call:
            return call.returns(EfiStatus.INVALID_PARAMETER), EventHandle(0)

    @property
    def _uboot(self) -> UBootEvents:
        if not isinstance(self.events, UBootEvents):
            raise TypeError("expected U-Boot's events beneath U-Boot's core")
        return self.events

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        """efi_exit_boot_services."""
        if map_key == self.map.key:
            return super().exit_boot_services(map_key)
        with self._service("ExitBootServices", map_key=map_key) as call:
            self._phase(Phase.CALLED)
            self._phase(Phase.KEY_REFUSED)
            return call.returns(self._returned(EfiStatus.INVALID_PARAMETER))

    def _accepts(self, map_key: int) -> bool:
        del map_key
        return True

    def _notify_exit(self) -> None:
        self._phase(Phase.EXIT_GROUP)
        self._uboot.notify_exit()


def oldest_first(members: Sequence[Event]) -> Sequence[Event]:
    """Queue in the order in which events were made."""
    return tuple(members)


#: The reference with the ways of a core, by the core's name.
WAYS: dict[str, Parts] = {
    "ovmf": Parts(core=CoreBeforeUefi29, events=EdkEvents),
    "u-boot": Parts(core=UBootCore, events=UBootEvents, policy=lambda _: Policy(order=oldest_first)),
}
