"""
A conforming OS loader, as a vendor would write one.

Run it with `sevconf run --target examples/right_os_loader.py:RightOsLoader`.

Breaks: nothing
"""

from sevconf.contract import BootServices
from sevconf.vocabulary import EfiStatus, MemoryType

#: Bytes that the memory map may grow by while it is fetched.
SPARE = 2048


class RightOsLoader:
    """Takes the memory map and ends boot services, until the firmware agrees."""

    role = "os-loader"
    #: How often it calls ExitBootServices.
    tries = 4

    def __init__(self, boot_services: BootServices) -> None:
        self.boot_services = boot_services

    def boot(self) -> EfiStatus:
        """End boot services; behind the first call only memory allocation services are used."""
        _, empty = self.boot_services.get_memory_map(0)
        size = empty.needed_size + SPARE
        status, _ = self.boot_services.allocate_pool(MemoryType.LOADER_DATA, size)
        if status.is_error:
            return status
        for _ in range(self.tries):
            status, memory_map = self.boot_services.get_memory_map(size)
            if status.is_error:
                return status
            status = self.boot_services.exit_boot_services(memory_map.map_key)
            if status is not EfiStatus.INVALID_PARAMETER:
                break
        return status
