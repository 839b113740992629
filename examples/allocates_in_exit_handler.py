"""
A driver that allocates pool in its ExitBootServices handler, so the map that the OS loader holds may be stale.

Breaks: T21
"""

from right_block_driver import RightBlockDriver

from sevconf.vocabulary import MemoryType


class AllocatesInExitHandler(RightBlockDriver):
    """Keeps a note of what it did, in memory that it takes too late."""

    def on_exit_boot_services(self) -> None:
        """Halt as it should, then allocate."""
        super().on_exit_boot_services()
        status, note = self.boot_services.allocate_pool(MemoryType.BOOT_SERVICES_DATA, 64)
        if not status.is_error:
            self.memory.write(note, b"halted")
