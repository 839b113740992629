"""
Runtime services for binaries: variables that last as long as the machine, a clock that stands at its epoch.

Spec: UEFI 2.10, chapter 8.
Left out: authenticated variables, capsules, and virtual addressing, which only an OS turns on.
"""

import struct
from typing import Any

from sevconf.subjects.binary.firmware.base import Services
from sevconf.vocabulary import EfiStatus

#: EFI_TIME of the machine's epoch, 1 January 2026: year, month, day, hour, minute, second, nanosecond, zone.
_EPOCH = struct.pack("<HBBBBBBIhBB", 2026, 1, 1, 0, 0, 0, 0, 0, 0x7FF, 0, 0)
_STORAGE = 0x1_0000


class RuntimeServices(Services):
    """The services of EFI_RUNTIME_SERVICES."""

    def __post_init__(self) -> None:
        self._variables: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._high = 0

    def _told(self, service: str, status: EfiStatus) -> EfiStatus:
        with self.recorder.service(service, "core") as call:
            return call.returns(status)

    def get_time(self, time: int, capabilities: int) -> EfiStatus:
        """GetTime."""
        del capabilities
        if not time:
            return self._told("GetTime", EfiStatus.INVALID_PARAMETER)
        self.memory.write(time, _EPOCH)
        return self._told("GetTime", EfiStatus.SUCCESS)

    def set_time(self, time: int) -> EfiStatus:
        """SetTime."""
        del time
        return self._told("SetTime", EfiStatus.UNSUPPORTED)

    def get_wakeup_time(self, time: int) -> EfiStatus:
        """GetWakeupTime."""
        del time
        return self._told("GetWakeupTime", EfiStatus.UNSUPPORTED)

    def set_wakeup_time(self, enable: int, time: int) -> EfiStatus:
        """SetWakeupTime."""
        del enable, time
        return self._told("SetWakeupTime", EfiStatus.UNSUPPORTED)

    def set_virtual_address_map(self, size: int, descriptor_size: int, version: int, map: int) -> EfiStatus:
        """SetVirtualAddressMap."""
        del size, descriptor_size, version, map
        return self._told("SetVirtualAddressMap", EfiStatus.UNSUPPORTED)

    def convert_pointer(self, disposition: int, address: int) -> Any:
        """ConvertPointer."""
        del disposition
        return self._told("ConvertPointer", EfiStatus.UNSUPPORTED), address

    def get_variable(self, name: str, guid: str | None, size: int, data: int) -> Any:
        """GetVariable."""
        found = self._variables.get((guid or "", name))
        if found is None:
            return self._told("GetVariable", EfiStatus.NOT_FOUND), None, None
        attributes, content = found
        if size < len(content):
            return self._told("GetVariable", EfiStatus.BUFFER_TOO_SMALL), attributes, len(content)
        self.memory.write(data, content)
        return self._told("GetVariable", EfiStatus.SUCCESS), attributes, len(content)

    def get_next_variable_name(self, size: int, name: int, guid: int) -> Any:
        """GetNextVariableName, in the order in which they were set."""
        known = [*self._variables]
        text = self.memory.text(name)
        last = (self.memory.guid(guid), text)
        if text and last not in known:
            return self._told("GetNextVariableName", EfiStatus.INVALID_PARAMETER), size
        rest = known[known.index(last) + 1 :] if text else known
        if not rest:
            return self._told("GetNextVariableName", EfiStatus.NOT_FOUND), size
        encoded = f"{rest[0][1]}\0".encode("utf-16-le")
        if size < len(encoded):
            return self._told("GetNextVariableName", EfiStatus.BUFFER_TOO_SMALL), len(encoded)
        self.memory.write(name, encoded)
        self.memory.put_guid(guid, rest[0][0])
        return self._told("GetNextVariableName", EfiStatus.SUCCESS), len(encoded)

    def set_variable(self, name: str, guid: str | None, attributes: int, size: int, data: int) -> EfiStatus:
        """SetVariable; no bytes take it away."""
        if not name or guid is None or size > _STORAGE:
            return self._told("SetVariable", EfiStatus.INVALID_PARAMETER)
        if size:
            self._variables[guid, name] = (attributes, self.memory.read(data, size))
            return self._told("SetVariable", EfiStatus.SUCCESS)
        gone = self._variables.pop((guid, name), None)
        return self._told("SetVariable", EfiStatus.SUCCESS if gone else EfiStatus.NOT_FOUND)

    def get_next_high_monotonic_count(self) -> Any:
        """GetNextHighMonotonicCount."""
        self._high += 1
        return self._told("GetNextHighMonotonicCount", EfiStatus.SUCCESS), self._high

    def reset_system(self, type: int, status: int, size: int, data: int) -> None:
        """ResetSystem: the machine would be gone."""
        del size, data
        self.broken(f"resets the machine (type {type}, status {status:#x})")

    def update_capsule(self, capsules: int, count: int, list: int) -> EfiStatus:
        """UpdateCapsule."""
        del capsules, count, list
        return self._told("UpdateCapsule", EfiStatus.UNSUPPORTED)

    def query_capsule_capabilities(self, capsules: int, count: int) -> EfiStatus:
        """QueryCapsuleCapabilities."""
        del capsules, count
        return self._told("QueryCapsuleCapabilities", EfiStatus.UNSUPPORTED)

    def query_variable_info(self, attributes: int) -> Any:
        """QueryVariableInfo."""
        del attributes
        used = sum(len(content) for _, content in self._variables.values())
        return self._told("QueryVariableInfo", EfiStatus.SUCCESS), _STORAGE, _STORAGE - used, _STORAGE
