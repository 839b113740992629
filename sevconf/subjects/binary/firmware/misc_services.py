"""
Miscellaneous services for binaries.

Spec: UEFI 2.10, 7.5 "Miscellaneous Boot Services", 4.6 EFI_CONFIGURATION_TABLE.
"""

import binascii
from typing import Any

from sevconf.subjects.binary.firmware.base import Services
from sevconf.vocabulary import EfiStatus, Gva

#: Bytes that one CopyMem or SetMem may move: more than RAM has is nobody's buffer.
_MOST = 64 << 20


class MiscServices(Services):
    """CopyMem and its like, the watchdog, configuration tables."""

    monotonic = 0

    def copy_mem(self, destination: int, source: int, length: int) -> None:
        """CopyMem: the caller's accesses, as anybody's."""
        if length > _MOST:
            self.broken(f"copies {length} bytes, more than there are")
        if length:
            self.guest.write(Gva(destination), self.guest.read(Gva(source), length))

    def set_mem(self, buffer: int, size: int, value: int) -> None:
        """SetMem."""
        if size > _MOST:
            self.broken(f"fills {size} bytes, more than there are")
        if size:
            self.guest.write(Gva(buffer), bytes([value]) * size)

    def calculate_crc32(self, data: int, size: int) -> Any:
        """CalculateCrc32."""
        if not data or not 0 < size <= _MOST:
            return EfiStatus.INVALID_PARAMETER
        return EfiStatus.SUCCESS, binascii.crc32(self.memory.read(data, size))

    def get_next_monotonic_count(self) -> Any:
        """GetNextMonotonicCount."""
        self.monotonic += 1
        return EfiStatus.SUCCESS, self.monotonic

    def set_watchdog_timer(self, timeout: int, code: int, data_size: int, data: int) -> EfiStatus:
        """SetWatchdogTimer: nobody waits that long here."""
        del code, data_size, data
        with self.recorder.service("SetWatchdogTimer", "core", timeout=timeout) as call:
            return call.returns(EfiStatus.SUCCESS)

    def install_configuration_table(self, guid: str | None, table: int) -> EfiStatus:
        """InstallConfigurationTable; a NULL takes one away."""
        with self.recorder.service("InstallConfigurationTable", "core", table=guid) as call:
            if guid is None:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            known = self.configuration.put(guid, table)
            return call.returns(EfiStatus.SUCCESS if known or table else EfiStatus.NOT_FOUND)
