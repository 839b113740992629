"""
Boot services for binaries: each is the reference core's, with what a pointer means on either side.

Signatures are in `abi.tables`; a method takes what goes in and returns the status, with what comes back behind it.
Events, levels, memory and the end of boot services are the core's own, so that what a binary does to them is judged as
anybody's. Protocol, image and miscellaneous services are in the classes that this one is made of.

Spec: UEFI 2.10, chapter 7.
"""

import struct
from typing import Any, TypeVar, cast

from sevconf.contract.driver import EventHandle, NotifyFunction
from sevconf.model.memory_map import DESCRIPTOR_SIZE
from sevconf.subjects.binary.firmware.image_services import ImageServices
from sevconf.subjects.binary.firmware.misc_services import MiscServices
from sevconf.subjects.binary.firmware.protocol_services import ProtocolServices
from sevconf.vocabulary import AllocateType, EfiStatus, Gva, MemoryType, TimerDelay, Tpl

_DESCRIPTOR = struct.Struct("<IIQQQQQ")
_DESCRIPTOR_VERSION = 1
_WRITE_BACK = 8

E = TypeVar("E", AllocateType, MemoryType, TimerDelay)


def _known(kind: type[E], value: int) -> E | None:
    """Return a member by its number, or None if UEFI has none of it."""
    return kind(value) if value in kind.__members__.values() else None


class BootServices(ProtocolServices, ImageServices, MiscServices):
    """The services of EFI_BOOT_SERVICES."""

    # Events and levels

    def raise_tpl(self, new_tpl: int) -> int:
        """RaiseTPL."""
        return int(self.core.raise_tpl(self._tpl(new_tpl)))

    def restore_tpl(self, old_tpl: int) -> None:
        """RestoreTPL."""
        self.core.restore_tpl(self._tpl(old_tpl))

    def _tpl(self, value: int) -> Tpl:
        if value not in Tpl.__members__.values():
            self.broken(f"asks for the level {value}, which UEFI has not")
        return Tpl(value)

    def create_event(self, type: int, tpl: int, function: int, context: int) -> tuple[EfiStatus, int]:
        """CreateEvent."""
        made: list[EventHandle] = []
        status, handle = self.core.create_event(type, cast("Tpl", tpl), self._notify(function, context, made))
        made.append(handle)
        return status, handle

    def create_event_ex(
        self, type: int, tpl: int, function: int, context: int, group: str | None
    ) -> tuple[EfiStatus, int]:
        """CreateEventEx."""
        made: list[EventHandle] = []
        status, handle = self.core.create_event_ex(type, cast("Tpl", tpl), self._notify(function, context, made), group)
        made.append(handle)
        return status, handle

    def _notify(self, function: int, context: int, made: list[EventHandle]) -> NotifyFunction | None:
        """Return what runs a binary's notification function; the event that it is told is made later."""
        if not function:
            return None

        def notify() -> None:
            self.calls.invoke(function, made[0], context)

        return notify

    def set_timer(self, event: int, delay: int, trigger_time: int) -> EfiStatus:
        """SetTimer."""
        known = _known(TimerDelay, delay)
        if known is None:
            return EfiStatus.INVALID_PARAMETER
        return self.core.set_timer(EventHandle(event), known, trigger_time)

    def wait_for_event(self, count: int, events: int) -> tuple[EfiStatus, int]:
        """WaitForEvent."""
        handles = tuple(EventHandle(self.memory.number(events + 8 * index)) for index in range(count))
        return self.core.wait_for_event(handles)

    def signal_event(self, event: int) -> EfiStatus:
        """SignalEvent."""
        return self.core.signal_event(EventHandle(event))

    def close_event(self, event: int) -> EfiStatus:
        """CloseEvent."""
        return self.core.close_event(EventHandle(event))

    def check_event(self, event: int) -> EfiStatus:
        """CheckEvent."""
        return self.core.check_event(EventHandle(event))

    # Memory

    def allocate_pages(self, type: int, memory_type: int, pages: int, memory: int) -> Any:
        """AllocatePages."""
        how, kind = _known(AllocateType, type), _known(MemoryType, memory_type)
        if how is None or kind is None:
            return EfiStatus.INVALID_PARAMETER
        status, address = self.core.allocate_pages(how, kind, pages, memory)
        return status, None if status.is_error else address

    def free_pages(self, memory: int, pages: int) -> EfiStatus:
        """FreePages."""
        return self.core.free_pages(Gva(memory), pages)

    def allocate_pool(self, memory_type: int, size: int) -> Any:
        """AllocatePool."""
        kind = _known(MemoryType, memory_type)
        if kind is None:
            return EfiStatus.INVALID_PARAMETER
        status, buffer = self.core.allocate_pool(kind, size)
        return status, None if status.is_error else buffer

    def free_pool(self, buffer: int) -> EfiStatus:
        """FreePool."""
        return self.core.free_pool(Gva(buffer))

    def get_memory_map(self, size: int, buffer: int) -> Any:
        """GetMemoryMap."""
        status, found = self.core.get_memory_map(size)
        if status.is_error:
            return status, found.needed_size, None, DESCRIPTOR_SIZE, _DESCRIPTOR_VERSION
        for index, entry in enumerate(found.descriptors):
            data = _DESCRIPTOR.pack(entry.type, 0, entry.start, 0, entry.pages, _WRITE_BACK, 0)
            self.memory.write(buffer + index * DESCRIPTOR_SIZE, data)
        return status, found.needed_size, found.map_key, DESCRIPTOR_SIZE, _DESCRIPTOR_VERSION

    # The end of boot services, and time

    def exit_boot_services(self, image: int, key: int) -> EfiStatus:
        """ExitBootServices."""
        del image
        return self.core.exit_boot_services(key)

    def stall(self, microseconds: int) -> EfiStatus:
        """Stall."""
        return self.core.stall(microseconds)
