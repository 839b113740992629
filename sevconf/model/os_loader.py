"""
The OS loader: it takes the memory map, ends boot services, and takes the machine over.

A first call that is refused because a BEFORE handler changed the map is answered by a second one with a fresh map;
between the two only memory allocation services are used.

Spec: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices().
"""

from collections.abc import Callable

from sevconf.contract.driver import BootServices, MemoryMap
from sevconf.vocabulary import EfiStatus, MemoryType

#: Times that the loader calls ExitBootServices before it gives up.
TRIES = 3
#: Bytes that the map may grow between asking for its size and asking for it.
SPARE = 1024


class OsLoader:
    """The reference loader; `take_over` is what the OS does first: page tables of its own."""

    actor = "os-loader:reference"

    def __init__(self, boot_services: BootServices, take_over: Callable[[], None]) -> None:
        self.boot_services = boot_services
        self._take_over = take_over

    def boot(self) -> EfiStatus:
        """Take the machine over; returns the last status of ExitBootServices."""
        _, need = self.boot_services.get_memory_map(0)
        room = need.needed_size + SPARE
        status, _ = self.boot_services.allocate_pool(MemoryType.LOADER_DATA, room)
        if status.is_error:
            return status
        for _ in range(TRIES):
            status, memory_map = self.fresh_map(room)
            if status.is_error:
                return status
            status = self.boot_services.exit_boot_services(memory_map.map_key)
            if status is not EfiStatus.INVALID_PARAMETER or not self.tries_again():
                break
        if not status.is_error:
            self._take_over()
        return status

    def fresh_map(self, room: int) -> tuple[EfiStatus, MemoryMap]:
        """Take the memory map as it is now, into a buffer of `room` bytes."""
        return self.boot_services.get_memory_map(room)

    def tries_again(self) -> bool:
        """Tell whether a refused call is answered by another one."""
        return True
