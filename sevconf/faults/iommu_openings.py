"""IOMMU drivers of an SEV guest that open for the host what no device needs."""

from sevconf.contract.driver import Mapped
from sevconf.faults.fault import Fault
from sevconf.model.iommu.sev import Info, SevIommu
from sevconf.model.parts import Parts
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, Gva, Party

#: Pages at the bottom that are the firmware's own: page tables, which a walk reads through C=1 whatever comes.
_FIRMWARE = 256


class LeavesStashPlain(SevIommu):
    """Takes whole pages through a stash that it opens for that, and closes by the C-bit alone."""

    def _close_common(self, info: Info) -> None:
        buffer = self._buffer_around(info.host, info.length)
        if buffer is None or self.exiting or info.length % PAGE_SIZE:
            super()._close_common(info)
            return
        self._set_cbit(buffer.stash, buffer.pages, CBit.CLEAR)
        super()._close_common(info)
        self._set_cbit(buffer.stash, buffer.pages, CBit.SET)


class OpensTheRestOfRam(SevIommu):
    """Opens all RAM at exit, for an OS that knows no C-bit, but for what DMA went through."""

    def start(self) -> None:
        """Note nothing yet, then start as ever."""
        self.gone_through: set[int] = set()
        super().start()

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Map, and note the pages, and those that hold copies of them."""
        mapped = super().map(operation, host, length, wide=wide)
        buffer = self._buffer_around(host, length)
        for start in (host, mapped.device_address, *((buffer.stash + host - buffer.host,) if buffer else ())):
            self.gone_through.update(range(start // PAGE_SIZE, (start + length) // PAGE_SIZE + 1))
        return mapped

    def tear_down(self) -> None:
        """End all mappings, then open the rest, and rewrite what was ever written there."""
        super().tear_down()
        ram = self.guest.mmu.ram
        runs = [(start // PAGE_SIZE, (start + len(run)) // PAGE_SIZE) for start, run in ram.dump()]
        written = {page for first, end in runs for page in range(first, end)}
        spared = sorted(page for page in self.gone_through if page >= _FIRMWARE)
        for before, behind in zip((_FIRMWARE - 1, *spared), (*spared, ram.size // PAGE_SIZE), strict=True):
            opened = range(before + 1, behind)
            if opened:
                self._open(opened, sorted(written & {*opened}))

    def _open(self, pages: range, written: list[int]) -> None:
        held = {Gva(page * PAGE_SIZE): self.guest.read(Gva(page * PAGE_SIZE), PAGE_SIZE) for page in written}
        self._set_cbit(Gva(pages.start * PAGE_SIZE), len(pages), CBit.CLEAR)
        for address, data in held.items():
            self.guest.write(address, data)


_KEYS = "what was typed, saved or received lies in plaintext nowhere once its mapping has ended"

FAULTS = (
    Fault(
        "leaves-stash-plain",
        Party.IOMMU_DRIVER,
        Parts(iommu=LeavesStashPlain),
        ("DMA-01",),
        (("DRV-24", _KEYS),),
    ),
    Fault("opens-all-ram", Party.IOMMU_DRIVER, Parts(iommu=OpensTheRestOfRam), ("EBS-25",)),
)
