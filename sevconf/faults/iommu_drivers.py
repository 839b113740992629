"""IOMMU drivers of an SEV guest with one bug each."""

from sevconf.contract.driver import MappingToken
from sevconf.faults.fault import AT_ANY_STEP, Fault
from sevconf.model.iommu.sev import Info, SevIommu
from sevconf.model.parts import Parts
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, EfiStatus, Gva, MemoryType, Party, Tpl

_READ, _WRITE, _COMMON = DmaOperation.READ, DmaOperation.WRITE, DmaOperation.COMMON_BUFFER


# Unmap


class CommonBufferByCBit(SevIommu):
    """Unmaps a common buffer by setting the C-bit, without rewriting what lies there; its teardown does rewrite."""

    def _close_common(self, info: Info) -> None:
        if self.exiting:
            super()._close_common(info)
            return
        for page in self._pages_not_shared(info):
            self._set_cbit(page, 1, CBit.SET)


class ForgetsWriteBounce(SevIommu):
    """Unmaps a BusMasterWrite mapping without cleaning its bounce."""

    def _close_bounce(self, info: Info) -> None:
        if info.operation is _READ or self.exiting:
            super()._close_bounce(info)
            return
        self._deliver(info)
        self._set_cbit(info.opened, info.pages, CBit.SET)
        self.core.free_pages(info.opened, info.pages)


class LeavesTransmitted(SevIommu):
    """Leaves what the host has read where it lies, since the host has it anyway."""

    def _close_bounce(self, info: Info) -> None:
        if info.operation is _WRITE or self.exiting:
            super()._close_bounce(info)
            return
        self._set_cbit(info.opened, info.pages, CBit.SET)
        self.core.free_pages(info.opened, info.pages)


class UnmapsWriteLazily(SevIommu):
    """Puts off until ExitBootServices what Unmap of a BusMasterWrite mapping owes, but for the data."""

    def _end(self, info: Info) -> None:
        if info.operation is not _WRITE or self.exiting:
            super()._end(info)
            return
        self._deliver(info)
        self.ledger.ended(info.token)


class LosesWriteData(SevIommu):
    """Does not copy what the bus master wrote to the caller's buffer."""

    def _deliver(self, info: Info) -> None:
        del info


class LeavesTail(SevIommu):
    """Rewrites a common buffer's mapped bytes only, and not the tail of its last page."""

    def _close_common(self, info: Info) -> None:
        data = self.guest.read(info.host, info.length)
        for page in self._pages_not_shared(info):
            self._set_cbit(page, 1, CBit.SET)
        self.guest.write(info.host, data)


class TrustsToken(SevIommu):
    """Takes any token for a mapping, and ends whichever is newest."""

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """End something."""
        if mapping not in self.live and self.live:
            mapping = next(reversed(self.live))
        return super().unmap(mapping)


class FreesInUnmap(SevIommu):
    """Allocates a record when it maps a common buffer, and frees it in Unmap, always."""

    def _open_common(self, info: Info) -> None:
        super()._open_common(info)
        _, record = self.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, PAGE_SIZE)
        self.__dict__.setdefault("records", {})[info.token] = record

    def _close_common(self, info: Info) -> None:
        super()._close_common(info)
        if not self.exiting:
            self.core.free_pool(self.__dict__["records"].pop(info.token))


# Map


class OpensOnePageMore(SevIommu):
    """Opens the page behind a mapped common buffer too, if it is of the same buffer."""

    def _pages_not_shared(self, info: Info) -> list[Gva]:
        pages = super()._pages_not_shared(info)
        buffer = self._buffer_around(info.host, info.length)
        behind = Gva(info.opened + info.pages * PAGE_SIZE)
        inside = buffer is not None and behind < buffer.host + buffer.pages * PAGE_SIZE
        return [*pages, behind] if inside else pages


class OpensByBlocks(SevIommu):
    """Opens the whole block of 16 KiB that a common buffer begins in, whoever owns the rest, until it is unmapped."""

    def _open_common(self, info: Info) -> None:
        self._turn_block(info, CBit.CLEAR)
        super()._open_common(info)

    def _close_common(self, info: Info) -> None:
        super()._close_common(info)
        self._turn_block(info, CBit.SET)

    def _turn_block(self, info: Info, cbit: CBit) -> None:
        first = info.opened // _BLOCK * _BLOCK
        opened = {*self.buffers, *(page for other in self.live.values() for page in other.addresses)}
        for page in map(Gva, range(first, first + _BLOCK, PAGE_SIZE)):
            if page not in opened:
                held = self.guest.read(page, PAGE_SIZE)
                self._set_cbit(page, 1, cbit)
                self.guest.write(page, held)


class NeverCloses(SevIommu):
    """Cleans a bounce and leaves it open for the host, for ever."""

    def _seal(self, start: Gva, pages: int) -> None:
        self._clean(start, pages)


class NeverZeroes(SevIommu):
    """Hands out common buffers with what their former owner left."""

    def _clean(self, start: Gva, pages: int) -> None:
        if self.live and any(info.opened == start for info in self.live.values()):
            super()._clean(start, pages)


# Teardown


class FreesAtTeardown(SevIommu):
    """Frees bounce pages in its teardown, as it does at other times."""

    def tear_down(self) -> None:
        """End every mapping as Unmap does."""
        for info in reversed(tuple(self.live.values())):
            self._end(info)


class AllocatesAtTeardown(SevIommu):
    """Allocates a scratch page in its teardown."""

    def tear_down(self) -> None:
        """Take a page, then tear down."""
        self.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, PAGE_SIZE)
        super().tear_down()


class TearsDownAtOnce(SevIommu):
    """Tears down in its exit handler, before other handlers had their turn."""

    def on_exit(self) -> None:
        """Tear down."""
        self.tear_down()


class ScrubsInHandler(SevIommu):
    """Wipes what the bus master has yet to read in its exit handler, and defers the rest."""

    def on_exit(self) -> None:
        """Zero Read bounces, then defer as ever."""
        for info in self.live.values():
            if info.operation is _READ:
                self._clean(info.opened, info.pages)
        super().on_exit()


class DefersAtNotify(SevIommu):
    """Queues its second event at TPL_NOTIFY, where it overtakes handlers at TPL_CALLBACK."""

    deferred_tpl = Tpl.NOTIFY


class StopsAfterLarge(SevIommu):
    """Stops its teardown behind the first mapping of more than a page."""

    def tear_down(self) -> None:
        """End mappings, newest first, up to that one."""
        self.exiting = True
        for info in reversed(tuple(self.live.values())):
            self._end(info)
            if info.pages > 1:
                break


class _SkipsLarge(SevIommu):
    """Tears down what fits a page, and forgets larger mappings of some kinds."""

    skipped: frozenset[DmaOperation] = frozenset(DmaOperation)

    def tear_down(self) -> None:
        """End all but those."""
        self.exiting = True
        for info in reversed(tuple(self.live.values())):
            if info.operation not in self.skipped or info.pages == 1:
                self._end(info)


class SkipsReadAndWrite(_SkipsLarge):
    """Forgets Read and Write mappings of more than a page at teardown."""

    skipped = frozenset({_READ, _WRITE})


class CountsOnDrivers(_SkipsLarge):
    """Counts on drivers to unmap at exit what their devices wrote, if it is larger than a page."""

    skipped = frozenset({_WRITE})


class LeavesItToTheOs(SevIommu):
    """Sets C-bits in its teardown and rewrites nothing, leaving the rest to the page tables of the OS."""

    def tear_down(self) -> None:
        """Change page tables only."""
        for info in reversed(tuple(self.live.values())):
            self._set_cbit(info.opened, info.pages, CBit.SET)
            self.ledger.ended(info.token)


_AT_EXIT = "no data of any mapping lies in plaintext when the OS owns the machine"
#: Bytes that one driver opens at least.
_BLOCK = 16 << 10

_FORMER = "Map of a common buffer exposes nothing that a former owner left in that memory"
_COVERED = "Map opens no page but those that the mapping covers"
_KEYS = "what was typed, saved or received lies in no DMA buffer once its mapping has ended"
_NO_GARBAGE = "a command that is in flight at exit puts no garbage on the disk"
_FIRST_COME = "of two deferring handlers the one that runs first has its way first"
_EITHER_SIDE = "what was written reaches the other side, on either side of 4 GiB"
_ANY_PLACE = "mappings of any length and place carry their data, whatever lies beside them"
_NO_MEMORY = "Map and Unmap of a common buffer use no memory but what AllocateBuffer took"
_PRIVATE = "pages are private before they are given back"
_DECLARED = "the host can read no page at hand-over but declared ones"
_NO_LATE_MAP = "no Map succeeds behind the teardown"
_OUTLIVES = "when Unmap returns, nothing that went through the mapping lies in plaintext"

FAULTS = (
    Fault(
        "common-buffer-by-c-bit",
        Party.IOMMU_DRIVER,
        Parts(iommu=CommonBufferByCBit),
        ("DMA-01",),
        (("DRV-24", _KEYS), ("DMA-04", "the tail of the last page holds no plaintext after Unmap")),
    ),
    Fault(
        "forgets-write-bounce",
        Party.IOMMU_DRIVER,
        Parts(iommu=ForgetsWriteBounce),
        ("DMA-01",),
        (("EBS-08", _AT_EXIT), ("DRV-24", _KEYS), ("EBS-30", AT_ANY_STEP)),
    ),
    Fault(
        "leaves-transmitted",
        Party.IOMMU_DRIVER,
        Parts(iommu=LeavesTransmitted),
        ("TM-02",),
        (("DMA-01", _OUTLIVES), ("DRV-24", _KEYS), ("EBS-30", AT_ANY_STEP)),
    ),
    Fault(
        "unmaps-write-lazily",
        Party.IOMMU_DRIVER,
        Parts(iommu=UnmapsWriteLazily),
        ("DMA-01",),
        (("DMA-03", "a mapping opens pages only while it lives"), ("DRV-24", _KEYS), ("EBS-30", AT_ANY_STEP)),
    ),
    Fault(
        "loses-write-data",
        Party.IOMMU_DRIVER,
        Parts(iommu=LosesWriteData),
        ("DMA-02",),
        (("DMA-14", _ANY_PLACE), ("DMA-18", _EITHER_SIDE)),
    ),
    Fault("leaves-tail", Party.IOMMU_DRIVER, Parts(iommu=LeavesTail), ("DMA-04",)),
    Fault(
        "opens-by-blocks",
        Party.IOMMU_DRIVER,
        Parts(iommu=OpensByBlocks),
        ("IOM-11",),
        (("DMA-03", _COVERED), ("DMA-05", _FORMER), ("EBS-30", AT_ANY_STEP)),
    ),
    Fault("trusts-token", Party.IOMMU_DRIVER, Parts(iommu=TrustsToken), ("DMA-06",)),
    Fault("frees-in-unmap", Party.IOMMU_DRIVER, Parts(iommu=FreesInUnmap), ("DMA-08",), (("DMA-09", _NO_MEMORY),)),
    Fault(
        "opens-one-page-more", Party.IOMMU_DRIVER, Parts(iommu=OpensOnePageMore), ("DMA-03",), (("DMA-14", _ANY_PLACE),)
    ),
    Fault(
        "never-closes",
        Party.IOMMU_DRIVER,
        Parts(iommu=NeverCloses),
        ("DMA-03",),
        (("DMA-17", _PRIVATE), ("EBS-25", _DECLARED)),
    ),
    Fault("never-zeroes", Party.IOMMU_DRIVER, Parts(iommu=NeverZeroes), ("DMA-05",)),
    Fault(
        "frees-at-teardown",
        Party.IOMMU_DRIVER,
        Parts(iommu=FreesAtTeardown),
        ("MEM-04",),
        (("EBS-14", _NO_LATE_MAP),),
    ),
    Fault("allocates-at-teardown", Party.IOMMU_DRIVER, Parts(iommu=AllocatesAtTeardown), ("MEM-04",)),
    Fault(
        "tears-down-at-once",
        Party.IOMMU_DRIVER,
        Parts(iommu=TearsDownAtOnce),
        ("EBS-06",),
        (("EBS-09", _NO_GARBAGE), ("EBS-10", _FIRST_COME)),
    ),
    Fault("scrubs-in-handler", Party.IOMMU_DRIVER, Parts(iommu=ScrubsInHandler), ("EBS-09",)),
    Fault(
        "defers-at-notify",
        Party.IOMMU_DRIVER,
        Parts(iommu=DefersAtNotify),
        ("EBS-06",),
        (("EBS-09", _NO_GARBAGE), ("EBS-10", _FIRST_COME)),
    ),
    Fault(
        "stops-after-large",
        Party.IOMMU_DRIVER,
        Parts(iommu=StopsAfterLarge),
        ("EBS-07",),
        (("EBS-08", _AT_EXIT), ("EBS-30", AT_ANY_STEP)),
    ),
    Fault(
        "skips-read-and-write",
        Party.IOMMU_DRIVER,
        Parts(iommu=SkipsReadAndWrite),
        ("EBS-07",),
        (("EBS-08", _AT_EXIT), ("EBS-25", _DECLARED), ("EBS-30", AT_ANY_STEP)),
    ),
    Fault(
        "counts-on-drivers",
        Party.IOMMU_DRIVER,
        Parts(iommu=CountsOnDrivers),
        ("EBS-07",),
        (("EBS-08", _AT_EXIT), ("EBS-25", _DECLARED), ("EBS-30", AT_ANY_STEP)),
    ),
    Fault(
        "leaves-it-to-the-os",
        Party.IOMMU_DRIVER,
        Parts(iommu=LeavesItToTheOs),
        ("EBS-08",),
        (("EBS-14", _NO_LATE_MAP), ("DRV-24", _KEYS), ("EBS-30", AT_ANY_STEP)),
    ),
)
