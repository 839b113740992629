"""
The IOMMU driver of an SEV guest with a pool of pages that are shared all boot, so that most mappings change no C-bit.

A mapping takes the smallest slot that holds it; where none is free, or none is large enough, the way of `sev` is taken.
The pool lies below 4 GiB, so its slots are for every bus master. A common buffer is a slot from AllocateBuffer to
FreeBuffer. Since a slot's C-bit stays clear, whatever lies in it is plaintext: it is zeroed, while it is shared, when
its mapping ends and when its buffer is freed. At ExitBootServices the pool is released behind all mappings: its C-bit
is set, and then every page of it rewritten.

Spec: the mechanism of EDK II `OvmfPkg/IoMmuDxe/IoMmuBuffer.c` since edk2-stable202302. That code zeroes bounces only,
and sets C-bits at the end without a rewrite; this one does more in both places.

Left out: the private page before each slot, where that code keeps a common buffer's record; slots of 1 and 2 MiB.
"""

from dataclasses import dataclass

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.iommu.sev import Buffer, Info, SevIommu
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, EfiStatus, Gva, MemoryType, pages_for

#: How many slots the pool has of how many pages, smallest first.
SLOTS = ((4, 1), (8, 8), (2, 32))


@dataclass(frozen=True, slots=True)
class Slot:
    """Pages of the pool that are given out together."""

    start: Gva
    pages: int


class SevPoolIommu(SevIommu):
    """The SEV IOMMU driver with a pool; it is `sev` for whatever the pool has no slot for."""

    name = "sev-pool"

    def start(self) -> None:
        """Start as ever, and share the pool; without memory for it there is none."""
        super().start()
        self.free_slots: list[Slot] = []
        self.used_slots: dict[Gva, Slot] = {}
        self.pool_pages = sum(count * pages for count, pages in SLOTS)
        status, self.pool = self._allocate(MemoryType.BOOT_SERVICES_DATA, self.pool_pages, wide=False)
        if status.is_error:
            self.pool_pages = 0
            return
        self._set_cbit(self.pool, self.pool_pages, CBit.CLEAR)
        self._clean(self.pool, self.pool_pages)
        start = self.pool
        for count, pages in SLOTS:
            for _ in range(count):
                self.free_slots.append(Slot(start, pages))
                start = Gva(start + pages * PAGE_SIZE)

    def tear_down(self) -> None:
        """End every live mapping, then release the pool; its pages stay allocated."""
        super().tear_down()
        self.free_slots.clear()
        if self.pool_pages:
            self._release_pool()

    def _release_pool(self) -> None:
        """Make the pool private: only a write through C=1 encrypts what lies there."""
        self._seal(self.pool, self.pool_pages)

    # Slots

    def _take_slot(self, pages: int) -> Slot | None:
        slot = next((slot for slot in self.free_slots if slot.pages >= pages), None)
        if slot is not None:
            self.free_slots.remove(slot)
            self.used_slots[slot.start] = slot
        return slot

    def _give_slot(self, start: Gva) -> None:
        slot = self.used_slots.pop(start)
        self.free_slots = sorted([*self.free_slots, slot], key=lambda free: (free.pages, free.start))

    def _empty_freed(self, buffer: Buffer) -> None:
        """Take away what the client left in a buffer: its pages stay shared."""
        self._clean(buffer.host, buffer.pages)

    # Common buffers

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Return a slot, which is zero; memory that outlives boot services does not come from the pool."""
        slot = self._take_slot(pages) if memory_type is MemoryType.BOOT_SERVICES_DATA and pages > 0 else None
        if slot is None:
            return super().allocate_buffer(memory_type, pages, wide=wide)
        status, token = self._take_token()
        if status.is_error:
            self._give_slot(slot.start)
            return status, Gva(0)
        buffer = Buffer(slot.start, pages, Gva(0), token)
        self.buffers.update(dict.fromkeys(buffer.addresses, buffer))
        return EfiStatus.SUCCESS, slot.start

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """Take a buffer back, unless it is still mapped; a slot is zeroed, whoever wrote there since Unmap."""
        buffer = self.buffers.get(host)
        if buffer is None or buffer.host != host or host not in self.used_slots:
            return super().free_buffer(pages, host)
        if buffer.pages != pages or self._is_open(buffer):
            return EfiStatus.INVALID_PARAMETER
        for page in buffer.addresses:
            del self.buffers[page]
        self._give_token(buffer.token)
        self._empty_freed(buffer)
        self._give_slot(host)
        return EfiStatus.SUCCESS

    def _pooled(self, info: Info) -> bool:
        return self.pool <= info.opened < self.pool + self.pool_pages * PAGE_SIZE

    def _open_common(self, info: Info) -> None:
        if not self._pooled(info):
            super()._open_common(info)

    def _close_common(self, info: Info) -> None:
        if not self._pooled(info):
            super()._close_common(info)
            return
        for page in self._pages_not_shared(info):
            self._clean(page, 1)

    # Bounces

    def _map_bounced(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        slot = self._take_slot(pages_for(length))
        if slot is None:
            return super()._map_bounced(operation, host, length, wide=wide)
        status, token = self._take_token()
        if status.is_error:
            self._give_slot(slot.start)
            return Mapped(status, 0, 0, MappingToken(0))
        info = Info(token, operation, host, length, slot.start, pages_for(length))
        if operation is DmaOperation.READ:
            self.guest.write(slot.start, self.guest.read(host, length))
        self.live[token] = info
        return Mapped(EfiStatus.SUCCESS, length, int(slot.start), token)

    def _close_bounce(self, info: Info) -> None:
        if not self._pooled(info):
            super()._close_bounce(info)
            return
        if info.operation is DmaOperation.WRITE:
            self._deliver(info)
        self._clean(info.opened, info.pages)
        self._give_slot(info.opened)
