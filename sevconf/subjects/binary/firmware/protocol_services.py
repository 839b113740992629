"""
Protocol handler services for binaries, over the handle database.

Spec: UEFI 2.10, 7.3 "Protocol Handler Services".
Left out: opening a protocol exclusively, and disconnecting drivers to do so; device paths, which LocateDevicePath
compares, so that it finds none.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from sevconf.model.recorder import Service
from sevconf.subjects.binary.firmware.base import Services
from sevconf.vocabulary import EfiStatus, Gva, MemoryType

#: EFI_OPEN_PROTOCOL_TEST_PROTOCOL: only asks whether the protocol is there.
_TEST = 0x04
_NATIVE_INTERFACE = 0


class ProtocolServices(Services):
    """The protocol handler services."""

    def _service(self, name: str, guid: str | None) -> AbstractContextManager[Service]:
        return self.recorder.service(name, "core", protocol=guid)

    def install_protocol_interface(self, handle: int, guid: str | None, type: int, interface: int) -> Any:
        """InstallProtocolInterface."""
        with self._service("InstallProtocolInterface", guid) as call:
            if guid is None or type != _NATIVE_INTERFACE:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            made = self.handles.install(handle, guid, interface)
            return call.returns(EfiStatus.INVALID_PARAMETER if made is None else EfiStatus.SUCCESS), made

    def reinstall_protocol_interface(self, handle: int, guid: str | None, old: int, new: int) -> EfiStatus:
        """ReinstallProtocolInterface."""
        with self._service("ReinstallProtocolInterface", guid) as call:
            known = guid is not None and self.handles.replace(handle, guid, old, new)
            return call.returns(EfiStatus.SUCCESS if known else EfiStatus.NOT_FOUND)

    def uninstall_protocol_interface(self, handle: int, guid: str | None, interface: int) -> EfiStatus:
        """UninstallProtocolInterface."""
        with self._service("UninstallProtocolInterface", guid) as call:
            removed = guid is not None and self.handles.remove(handle, guid, interface)
            return call.returns(EfiStatus.SUCCESS if removed else EfiStatus.NOT_FOUND)

    def install_multiple_protocol_interfaces(self, handle: int, rest: Callable[[int], int]) -> Any:
        """InstallMultipleProtocolInterfaces; all or none."""
        pairs = tuple(self._pairs(rest))
        with self._service("InstallMultipleProtocolInterfaces", ",".join(guid for guid, _ in pairs)) as call:
            done: list[tuple[str, int]] = []
            for guid, interface in pairs:
                made = self.handles.install(handle, guid, interface)
                if made is None:
                    for other, its in done:
                        self.handles.remove(handle, other, its)
                    return call.returns(EfiStatus.INVALID_PARAMETER)
                handle = made
                done.append((guid, interface))
            return call.returns(EfiStatus.SUCCESS), handle

    def uninstall_multiple_protocol_interfaces(self, handle: int, rest: Callable[[int], int]) -> EfiStatus:
        """UninstallMultipleProtocolInterfaces; all or none."""
        pairs = tuple(self._pairs(rest))
        with self._service("UninstallMultipleProtocolInterfaces", ",".join(guid for guid, _ in pairs)) as call:
            if any(self.handles.interface(handle, guid) != interface for guid, interface in pairs):
                return call.returns(EfiStatus.INVALID_PARAMETER)
            for guid, interface in pairs:
                self.handles.remove(handle, guid, interface)
            return call.returns(EfiStatus.SUCCESS)

    def _pairs(self, rest: Callable[[int], int]) -> Iterator[tuple[str, int]]:
        """Read pairs of GUID and interface, up to a NULL."""
        index = 0
        while pointer := rest(index):
            yield self.memory.guid(pointer), rest(index + 1)
            index += 2

    def locate_protocol(self, guid: str | None, registration: int) -> Any:
        """LocateProtocol."""
        del registration
        with self._service("LocateProtocol", guid) as call:
            if guid is None:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            found = self.handles.first(guid)
            if found is None:
                self.missing(guid)
                return call.returns(EfiStatus.NOT_FOUND), 0
            return call.returns(EfiStatus.SUCCESS), found

    def handle_protocol(self, handle: int, guid: str | None) -> Any:
        """HandleProtocol."""
        return self._opened("HandleProtocol", handle, guid)

    def open_protocol(self, handle: int, guid: str | None, agent: int, controller: int, attributes: int) -> Any:
        """OpenProtocol."""
        del agent, controller
        status, interface = self._opened("OpenProtocol", handle, guid)
        return status, None if attributes == _TEST else interface

    def _opened(self, service: str, handle: int, guid: str | None) -> tuple[EfiStatus, int | None]:
        with self._service(service, guid) as call:
            if guid is None or not self.handles.knows(handle):
                return call.returns(EfiStatus.INVALID_PARAMETER), None
            found = self.handles.interface(handle, guid)
            if found is None:
                self.missing(guid)
                return call.returns(EfiStatus.UNSUPPORTED), 0
            return call.returns(EfiStatus.SUCCESS), found

    def close_protocol(self, handle: int, guid: str | None, agent: int, controller: int) -> EfiStatus:
        """CloseProtocol."""
        del agent, controller
        with self._service("CloseProtocol", guid) as call:
            known = guid is not None and self.handles.interface(handle, guid) is not None
            return call.returns(EfiStatus.SUCCESS if known else EfiStatus.NOT_FOUND)

    def open_protocol_information(self, handle: int, guid: str | None) -> Any:
        """OpenProtocolInformation: nobody is noted as having opened anything."""
        with self._service("OpenProtocolInformation", guid) as call:
            if guid is None or self.handles.interface(handle, guid) is None:
                return call.returns(EfiStatus.NOT_FOUND)
            return call.returns(EfiStatus.SUCCESS), self._pooled(b""), 0

    def protocols_per_handle(self, handle: int) -> Any:
        """ProtocolsPerHandle."""
        with self._service("ProtocolsPerHandle", None) as call:
            if not self.handles.knows(handle):
                return call.returns(EfiStatus.INVALID_PARAMETER)
            places = [self._guid_place(guid) for guid in self.handles.guids(handle)]
            return call.returns(EfiStatus.SUCCESS), self._pooled(_packed(places)), len(places)

    def _guid_place(self, guid: str) -> int:
        place = self.memory.allocate(16)
        self.memory.put_guid(place, guid)
        return place

    def register_protocol_notify(self, guid: str | None, event: int) -> Any:
        """RegisterProtocolNotify."""
        with self._service("RegisterProtocolNotify", guid) as call:
            if guid is None:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            return call.returns(EfiStatus.SUCCESS), self.handles.register(guid, event)

    def locate_handle(self, search: int, guid: str | None, key: int, size: int, buffer: int) -> Any:
        """LocateHandle."""
        with self._service("LocateHandle", guid) as call:
            found = self.handles.search(search, guid, key)
            if found is None:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            if not found:
                return call.returns(EfiStatus.NOT_FOUND)
            data = _packed(found)
            if size < len(data):
                return call.returns(EfiStatus.BUFFER_TOO_SMALL), len(data)
            self.memory.write(buffer, data)
            return call.returns(EfiStatus.SUCCESS), len(data)

    def locate_handle_buffer(self, search: int, guid: str | None, key: int) -> Any:
        """LocateHandleBuffer."""
        with self._service("LocateHandleBuffer", guid) as call:
            found = self.handles.search(search, guid, key)
            if found is None:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            if not found:
                return call.returns(EfiStatus.NOT_FOUND), 0, 0
            return call.returns(EfiStatus.SUCCESS), len(found), self._pooled(_packed(found))

    def locate_device_path(self, guid: str | None, path: int) -> Any:
        """LocateDevicePath."""
        with self._service("LocateDevicePath", guid) as call:
            return call.returns(EfiStatus.NOT_FOUND), path, None

    def _pooled(self, data: bytes) -> int:
        """Return a pool buffer of the caller's with that content."""
        status, buffer = self.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, max(len(data), 8))
        if status.is_error:
            return 0
        self.memory.write(Gva(buffer), data)
        return int(buffer)


def _packed(numbers: tuple[int, ...] | list[int]) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)
