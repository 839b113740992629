"""
A driver that does not halt its network card at ExitBootServices, so the next frame lands in memory of the OS.

Breaks: T10
"""

from right_nic_driver import RightNicDriver


class TrustsSilentNic(RightNicDriver):
    """Takes a card that has nothing to send for one that does nothing."""

    def on_exit_boot_services(self) -> None:
        """Leave the card running."""
