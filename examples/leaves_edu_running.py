"""
A driver that leaves QEMU's exerciser bus master at ExitBootServices, so its next DMA lands in memory of the OS.

Run it with `sevconf run --target examples/leaves_edu_running.py:LeavesEduRunning --device qemu:edu`.

Breaks: T10
"""

from right_edu_driver import RightEduDriver


class LeavesEduRunning(RightEduDriver):
    """Takes an exerciser that has nothing to do for one that does no DMA."""

    def on_exit_boot_services(self) -> None:
        """Leave the device as it is."""
