"""
A driver that looks at a received frame while it is mapped for the network card to write.

Breaks: S05
"""

from right_nic_driver import RightNicDriver


class PeeksAtFrames(RightNicDriver):
    """Reads the frame first and unmaps it afterwards; where the IOMMU driver bounces, nothing is there yet."""

    def take(self, slot: int, length: int) -> bytes:
        """Look at the destination address of the frame, to drop those of others; then take it."""
        self.memory.read(self.receive_buffer(slot), 6)
        return super().take(slot, length)
