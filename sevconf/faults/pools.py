"""IOMMU drivers of an SEV guest with a pool of shared pages, and one bug each."""

from sevconf.faults.fault import Fault
from sevconf.model.iommu.sev import Buffer
from sevconf.model.iommu.sev_pool import SevPoolIommu
from sevconf.model.parts import Parts
from sevconf.vocabulary import CBit, Party


class ReleasesPoolByCBit(SevPoolIommu):
    """Releases its pool by setting C-bits, without rewriting what lies there."""

    def _release_pool(self) -> None:
        self._set_cbit(self.pool, self.pool_pages, CBit.SET)


class KeepsFreedData(SevPoolIommu):
    """Takes a common buffer back into its pool with what its client left there."""

    def _empty_freed(self, buffer: Buffer) -> None:
        del buffer


FAULTS = (
    Fault("releases-pool-by-c-bit", Party.IOMMU_DRIVER, Parts(iommu=ReleasesPoolByCBit), ("DMA-30",)),
    Fault("keeps-freed-data", Party.IOMMU_DRIVER, Parts(iommu=KeepsFreedData), ("DMA-31",)),
)
