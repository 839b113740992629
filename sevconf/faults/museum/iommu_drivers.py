"""Bugs of shipped IOMMU drivers."""

from sevconf.faults.fault import AT_ANY_STEP, Fault
from sevconf.model.iommu.sev import Buffer, Info, SevIommu
from sevconf.model.iommu.sev_pool import SevPoolIommu
from sevconf.model.parts import Parts
from sevconf.vocabulary import CBit, Party


class PoolAsShipped(SevPoolIommu):
    """Leaves common buffers' data in pages that stay shared, and releases these by setting C-bits alone."""

    def _empty_freed(self, buffer: Buffer) -> None:
        del buffer

    def _close_common(self, info: Info) -> None:
        if not self._pooled(info):
            super()._close_common(info)

    def _release_pool(self) -> None:
        self._set_cbit(self.pool, self.pool_pages, CBit.SET)


class DestroysMappingsAtOnce(SevIommu):
    """Destroys all mappings in its own exit handler, while drivers of devices wait for theirs."""

    def on_exit(self) -> None:
        """Tear down."""
        self.tear_down()


_AT_EXIT = "no data of any mapping lies in plaintext when the OS owns the machine"

FAULTS = (
    Fault(
        "museum-shared-pool",
        Party.IOMMU_DRIVER,
        Parts(iommu=PoolAsShipped),
        ("DMA-30", "DMA-31"),
        (
            ("DMA-01", "when Unmap returns, nothing that went through the mapping lies in plaintext"),
            ("DMA-04", "the tail of the last page holds no plaintext after Unmap"),
            ("EBS-08", _AT_EXIT),
            ("EBS-30", AT_ANY_STEP),
            ("DRV-24", "what was typed, saved or received lies in no DMA buffer once its mapping has ended"),
        ),
        upstream="tianocore/edk2, OvmfPkg/IoMmuDxe/IoMmuBuffer.c, IoMmuReleaseReservedSharedMem and "
        "IoMmuFreeCommonBuffer; CcIoMmu.c, IoMmuUnmapWorker",
    ),
    Fault(
        "museum-destroys-mappings",
        Party.IOMMU_DRIVER,
        Parts(iommu=DestroysMappingsAtOnce),
        ("EBS-06",),
        (
            ("EBS-09", "a command that is in flight at exit puts no garbage on the disk"),
            ("EBS-10", "of two deferring handlers the one that runs first has its way first"),
        ),
        upstream="ipxe/ipxe 562c74e1e, whose message tells of firmware on laptops with an IOMMU",
    ),
)
