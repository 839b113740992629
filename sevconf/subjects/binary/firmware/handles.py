"""
Handles and the protocols on them, as binaries see them: interfaces are addresses, GUIDs texts in lower case.

Spec: UEFI 2.10, 7.3 "Protocol Handler Services".
Left out: how a protocol was opened, and by whom: nothing is closed behind anybody's back.
"""

from collections.abc import Callable

#: Values of EFI_LOCATE_SEARCH_TYPE.
ALL_HANDLES, BY_REGISTER_NOTIFY, BY_PROTOCOL = range(3)


class Handles:
    """The database; `place` gives the address that stands for a new handle, `signal` signals who waits for one."""

    def __init__(self, place: Callable[[], int], signal: Callable[[int], None]) -> None:
        self._place = place
        self._signal = signal
        self._handles: dict[int, dict[str, int]] = {}
        self._registrations: dict[int, tuple[str, int, list[int]]] = {}

    def new(self) -> int:
        """Make a handle without protocols."""
        handle = self._place()
        self._handles[handle] = {}
        return handle

    def install(self, handle: int, guid: str, interface: int) -> int | None:
        """Put an interface on a handle (0: a new one), and return the handle; None if it is there already."""
        if handle and (handle not in self._handles or guid in self._handles[handle]):
            return None
        handle = handle or self.new()
        self._handles[handle][guid] = interface
        self._tell(handle, guid)
        return handle

    def _tell(self, handle: int, guid: str) -> None:
        for wanted, event, waiting in self._registrations.values():
            if wanted == guid:
                waiting.append(handle)
                self._signal(event)

    def replace(self, handle: int, guid: str, old: int, new: int) -> bool:
        """Put another interface in the place of one, and tell whoever waits."""
        if self.interface(handle, guid) != old:
            return False
        self._handles[handle][guid] = new
        self._tell(handle, guid)
        return True

    def remove(self, handle: int, guid: str, interface: int) -> bool:
        """Take an interface off; a handle without any is gone."""
        protocols = self._handles.get(handle, {})
        if guid not in protocols or protocols[guid] != interface:
            return False
        del protocols[guid]
        if not protocols:
            del self._handles[handle]
        return True

    def all(self) -> tuple[int, ...]:
        """Return every handle."""
        return tuple(self._handles)

    def knows(self, handle: int) -> bool:
        """Tell whether there is such a handle."""
        return handle in self._handles

    def interface(self, handle: int, guid: str) -> int | None:
        """Return the interface of a handle."""
        return self._handles.get(handle, {}).get(guid)

    def guids(self, handle: int) -> tuple[str, ...]:
        """Return the protocols of a handle."""
        return tuple(self._handles.get(handle, ()))

    def with_protocol(self, guid: str) -> tuple[int, ...]:
        """Return the handles that have a protocol, oldest first."""
        return tuple(handle for handle, protocols in self._handles.items() if guid in protocols)

    def first(self, guid: str) -> int | None:
        """Return the first interface of a protocol."""
        return next((protocols[guid] for protocols in self._handles.values() if guid in protocols), None)

    def register(self, guid: str, event: int) -> int:
        """Remember who wants to know of new interfaces; returns the registration."""
        key = self._place()
        self._registrations[key] = (guid, event, list(self.with_protocol(guid)))
        return key

    def search(self, how: int, guid: str | None, key: int) -> tuple[int, ...] | None:
        """Search as LocateHandle does; None is a search that there is not."""
        if how == ALL_HANDLES:
            return tuple(self._handles)
        if how == BY_PROTOCOL and guid is not None:
            return self.with_protocol(guid)
        if how == BY_REGISTER_NOTIFY and key in self._registrations:
            waiting = self._registrations[key][2]
            return (waiting.pop(0),) if waiting else ()
        return None
