"""
Conforming IOMMU drivers beside the reference: other ways to meet the same rules.

`core-signalled` has no trick of its own: the core signals it apart, behind every other exit handler. `tracing` keeps a
log of Map and Unmap in pool, as a platform's instrumentation does, and ceases to at ExitBootServices.
"""

from collections.abc import Mapping

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.iommu.sev import SevIommu
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, DmaOperation, EfiStatus, Gva, MemoryType

#: The group by which a core signals IOMMU drivers apart; no specification has it.
IOMMU_GROUP = "8d3f2e63-9a0c-4a7b-b6d1-6a1c0d9f5e21"
#: Bytes of an entry in the log of the tracing driver.
LOG_ENTRY = 64


class CoreSignalledIommu(SevIommu):
    """Tears down when the core signals the group of IOMMU drivers; it has no exit handler and no private event."""

    name = "core-signalled"

    def start(self) -> None:
        """Join the group of IOMMU drivers."""
        self.core.create_event_ex(EVT_NOTIFY_SIGNAL, self.handler_tpl, self.tear_down, IOMMU_GROUP)


class TracingIommu(SevIommu):
    """Allocates an entry of its log in each Map and Unmap; frees the oldest when the log is full."""

    name = "tracing"
    #: Entries that the log holds.
    room = 4

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Log, and map."""
        self._log()
        return super().map(operation, host, length, wide=wide)

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Log, and unmap."""
        self._log()
        return super().unmap(mapping)

    def on_exit(self) -> None:
        """Log no more, and defer the teardown."""
        self.room = 0
        super().on_exit()

    def start(self) -> None:
        """Begin the log."""
        self.entries: list[Gva] = []
        super().start()

    def _log(self) -> None:
        if not self.room:
            return
        if len(self.entries) == self.room:
            self.core.free_pool(self.entries.pop(0))
        status, entry = self.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, LOG_ENTRY)
        if not status.is_error:
            self.entries.append(entry)


#: The variants by name.
VARIANTS: Mapping[str, type[SevIommu]] = {"core-signalled": CoreSignalledIommu, "tracing": TracingIommu}
