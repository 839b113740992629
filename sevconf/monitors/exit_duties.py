"""
What drivers leave alone in their exit handlers besides memory: timers, other drivers, new mappings.

Spec: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES: timer services are off,
and other drivers may have had their handlers already.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import call_path, exit_window, in_window
from sevconf.trace import EventCreated, NotificationBegan, ServiceCall, Trace, Value, describe, party_of
from sevconf.vocabulary import EVT_TIMER, Party, TimerDelay

#: Protocols that a driver of a device, and no part of the core or the bus, produces.
DRIVER_PROTOCOLS = frozenset(
    {
        *("BlockIo", "BlockIo2", "DiskIo", "DiskIo2", "SimpleFileSystem", "SerialIo", "SimpleNetwork"),
        *("ManagedNetwork", "SimpleTextIn", "SimpleTextInEx", "UsbIo", "ScsiIo"),
    }
)


def _handler_calls(trace: Trace) -> Iterator[tuple[ServiceCall, NotificationBegan]]:
    """Yield what drivers' notification functions call themselves in the exit window."""
    for entry in in_window(trace):
        if isinstance(entry, ServiceCall) and party_of(entry.actor) == Party.DRIVER.value:
            path, handler = call_path(trace, entry)
            if handler is not None and not path:
                yield entry, handler


def _argument(call: ServiceCall, name: str) -> Value:
    return dict(call.arguments).get(name)


def _accepted(trace: Trace) -> tuple[int, ...]:
    window = exit_window(trace)
    return () if window is None else (window.opened,)


@dataclass(frozen=True, slots=True)
class WaitsForTimer:
    """A driver's exit handler polls a timer's event, or arms a timer to do its work later."""

    rule: str = "DRV-32"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look for CheckEvent of a timer, and for SetTimer that does not cancel."""
        timers = {entry.event for entry in trace.of(EventCreated) if entry.type & EVT_TIMER}
        found = []
        for call, handler in _handler_calls(trace):
            polls = call.service == "CheckEvent" and _argument(call, "event") in timers
            arms = call.service == "SetTimer" and _argument(call, "delay") != TimerDelay.CANCEL
            if polls or arms:
                end = "it waits for ever" if polls else "what it puts off never comes"
                found.append(
                    Breach(
                        rule=self.rule,
                        expected="an exit handler does its work at once, and waits for no timer",
                        observed=f"in the notification function that began at step {handler.step} {describe(call)}; "
                        f"timers are off since before step {_accepted(trace)[0]}, so {end}",
                        culprit=call.actor,
                        steps=(*_accepted(trace), handler.step, call.step),
                    )
                )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class CallsOtherDriver:
    """A driver's exit handler calls a protocol that another driver produces."""

    rule: str = "DRV-33"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look for calls of drivers' protocols."""
        return tuple(
            Breach(
                rule=self.rule,
                expected="an exit handler of a driver calls no protocol of another driver",
                observed=f"in the notification function that began at step {handler.step} {describe(call)}; the driver "
                "behind that protocol may have halted its device already",
                culprit=call.actor,
                steps=(*_accepted(trace), handler.step, call.step),
            )
            for call, handler in _handler_calls(trace)
            if call.service.partition(".")[0] in DRIVER_PROTOCOLS
        )


@dataclass(frozen=True, slots=True)
class MapsAtExit:
    """A driver maps memory once exit handlers run."""

    rule: str = "DRV-34"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look for calls of Map."""
        return tuple(
            Breach(
                rule=self.rule,
                expected="no driver maps memory once exit handlers run",
                observed=f"in the notification function that began at step {handler.step} {describe(call)}; the "
                "teardown may be past, so nobody would end the mapping",
                culprit=call.actor,
                steps=(*_accepted(trace), handler.step, call.step),
            )
            for call, handler in _handler_calls(trace)
            if call.service == "PciIo.Map"
        )
