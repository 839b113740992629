"""
A driver that leaves its own device running at ExitBootServices, so the next alarm lands in memory of the OS.

Breaks: T10
"""

from right_device_driver import RightDeviceDriver


class TrustsSilentDevice(RightDeviceDriver):
    """Takes an engine that has no checksum to make for one that does no DMA."""

    def on_exit_boot_services(self) -> None:
        """Leave the engine running."""
