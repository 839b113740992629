"""
A driver that does not halt its disk at ExitBootServices, so the disk does DMA in memory that belongs to the OS.

Breaks: T10
"""

from right_block_driver import RightBlockDriver


class DoesNotHalt(RightBlockDriver):
    """Trusts that an idle disk is a quiet one; this disk polls its ring."""

    def on_exit_boot_services(self) -> None:
        """Leave the disk running."""
