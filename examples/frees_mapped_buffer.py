"""
A driver that frees its common buffer while it is mapped: FreeBuffer first, then Unmap.

Where the IOMMU driver refuses to free what is mapped, the buffer stays allocated, also after a start that failed.

Breaks: S37, T52
"""

from right_block_driver import DATA_PAGES, RING_PAGES, RightBlockDriver

from sevconf.contract import MappingToken


class FreesMappedBuffer(RightBlockDriver):
    """Gives things back in the order in which it took them."""

    def release(self, mapping: MappingToken) -> None:
        """Free the ring, then end its mapping; an IOMMU driver may refuse the first and keep the memory."""
        self.pci_io.free_buffer(RING_PAGES, self.ring)
        if mapping:
            self.pci_io.unmap(mapping)
        self.boot_services.free_pages(self.data, DATA_PAGES)
