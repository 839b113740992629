"""VT-d drivers with one bug each."""

from sevconf.contract.driver import Mapped
from sevconf.faults.fault import Fault
from sevconf.model.iommu.vtd import ExitPolicy, Info, VtdIommu
from sevconf.model.iommu.vtd_tables import TranslationTables
from sevconf.model.parts import Parts
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    DmaOperation,
    EventGroup,
    Gpa,
    Gva,
    IommuAccess,
    MemoryType,
    Party,
    Tpl,
    pages_for,
)

_ALL = IommuAccess.READ | IommuAccess.WRITE


# Grants


class EnablesTooLate(VtdIommu):
    """Installs its tables at its start, and turns translation on only when ExitBootServices is called."""

    def _protect(self) -> None:
        group = EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
        self.core.create_event_ex(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.unit.enable, group)


class GrantsNeighbours(VtdIommu):
    """Grants the page behind a mapping too."""

    def _grant(self, device: str, info: Info, access: IommuAccess) -> None:
        super()._grant(device, info, access)
        self.tables.set_access(self.unit.source_of(device), info.pages[-1] + info.pages.step, access)


class GrantsBothWays(VtdIommu):
    """Grants reading and writing whenever one of them is asked for."""

    def _grant(self, device: str, info: Info, access: IommuAccess) -> None:
        super()._grant(device, info, _ALL if access else access)


class GrantsInMap(VtdIommu):
    """Grants everything in Map, to every device that has a driver."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Map and grant."""
        mapped = super().map(operation, host, length, wide=wide)
        if not mapped.status.is_error:
            for device in tuple(self.unit.sources):
                self._grant(device, self.live[mapped.mapping], _ALL)
        return mapped


class DoesNotRevoke(VtdIommu):
    """Leaves what it granted when SetAttribute asks for no access, and when a mapping ends."""

    _leaving = False

    def tear_down(self) -> None:
        """Revoke at exit, at least."""
        self._leaving = True
        super().tear_down()

    def _grant(self, device: str, info: Info, access: IommuAccess) -> None:
        if access or self._leaving:
            super()._grant(device, info, access)


class OneDomain(TranslationTables):
    """Puts all functions of a bus into one domain."""

    def _install(self, source: int, top: Gpa, identifier: int) -> None:
        for function in range(256):
            super()._install(source + function, top, identifier)

    def domain(self, source: int) -> Gpa:
        """Return the domain of all."""
        return super().domain(source // 256 * 256)


class MixesUpDomains(VtdIommu):
    """Keeps one domain for all devices, so that what is granted to one is granted to all."""

    tables_class = OneDomain


class ForgetsReserved(VtdIommu):
    """Installs its tables without the ranges that the platform reserves."""

    def start(self) -> None:
        """Start without them."""
        self.reserved = ()
        super().start()


class LosesBounce(VtdIommu):
    """Does not copy what the bus master wrote from the bounce pages to the caller's buffer."""

    def _deliver(self, info: Info) -> None:
        del info


# ExitBootServices


class OpenStaysClosed(VtdIommu):
    """Leaves translation on under the policy open."""

    def on_exit(self) -> None:
        """Keep only."""
        if self.policy is ExitPolicy.KEEP:
            super().on_exit()


class OpenBlocksFirst(VtdIommu):
    """Blocks all DMA in its exit handler, and opens only behind all handlers."""

    def on_exit(self) -> None:
        """Load empty tables, taken before, and open later."""
        if self.policy is ExitPolicy.OPEN:
            self.unit.load_root(self.empty)
            self.core.signal_event(self._deferred)
        else:
            super().on_exit()

    def start(self) -> None:
        """Prepare tables that grant nothing."""
        self.empty = TranslationTables(self.guest, self._new_table).root
        super().start()

    def tear_down(self) -> None:
        """Open at last."""
        if self.policy is ExitPolicy.OPEN:
            self.unit.disable()
        else:
            super().tear_down()


class KeepOpens(VtdIommu):
    """Turns translation off at ExitBootServices under the policy keep too, which grants all."""

    def on_exit(self) -> None:
        """Open."""
        self.unit.disable()
        super().on_exit()


class KeepRevokesAtOnce(VtdIommu):
    """Revokes all grants in its exit handler, while devices still run."""

    def on_exit(self) -> None:
        """Revoke, and do the rest in time."""
        if self.policy is ExitPolicy.KEEP:
            for info in self.live.values():
                self._revoke(info)
        super().on_exit()


class KeepTearsDownAtOnce(VtdIommu):
    """Ends all mappings in its exit handler, before other handlers had their turn."""

    def on_exit(self) -> None:
        """Tear down."""
        if self.policy is ExitPolicy.KEEP:
            self.tear_down()
        else:
            super().on_exit()


class KeepsStaleGrants(VtdIommu):
    """Leaves grants into boot services memory when the OS comes to own it."""

    def tear_down(self) -> None:
        """End mappings by name only."""
        for info in reversed(tuple(self.live.values())):
            self.ledger.ended(info.token)


class KeepsTablesInBootMemory(VtdIommu):
    """Keeps its translation tables in boot services memory, which the OS writes over."""

    table_type = MemoryType.BOOT_SERVICES_DATA


class KeepFreesAtTeardown(VtdIommu):
    """Frees bounce pages when it revokes grants at exit."""

    _leaving = False

    def tear_down(self) -> None:
        """Tear down as Unmap does."""
        self._leaving = True
        super().tear_down()

    def _end(self, info: Info) -> None:
        super()._end(info)
        if self._leaving and info.bounced:
            self.core.free_pages(Gva(info.device), pages_for(info.length))


def _fault(name: str, vtd: type[VtdIommu], *catches: str, collateral: tuple[tuple[str, str], ...] = ()) -> Fault:
    return Fault(name, Party.IOMMU_DRIVER, Parts(vtd=vtd), catches, collateral)


FAULTS = (
    _fault(
        "vtd-enables-too-late",
        EnablesTooLate,
        "IOM-01",
        "IOM-11",
        collateral=(("IOM-02", "Map opens nothing, and SetAttribute exactly what it names"),),
    ),
    _fault("vtd-grants-neighbours", GrantsNeighbours, "IOM-01"),
    _fault(
        "vtd-grants-both-ways",
        GrantsBothWays,
        "IOM-02",
        collateral=(("IOM-01", "a device reaches only the direction that was asked for"),),
    ),
    _fault("vtd-grants-in-map", GrantsInMap, "IOM-02"),
    _fault("vtd-does-not-revoke", DoesNotRevoke, "IOM-02"),
    _fault(
        "vtd-mixes-up-domains",
        MixesUpDomains,
        "IOM-01",
        collateral=(("IOM-03", "what is reserved for a device is open to no other"),),
    ),
    _fault("vtd-forgets-reserved", ForgetsReserved, "IOM-03"),
    _fault(
        "vtd-loses-bounce",
        LosesBounce,
        "DMA-02",
        collateral=(("DMA-18", "what the device wrote reaches the client, through bounce pages too"),),
    ),
    _fault("vtd-open-stays-closed", OpenStaysClosed, "IOM-06"),
    _fault("vtd-open-blocks-first", OpenBlocksFirst, "IOM-05"),
    _fault(
        "vtd-keep-opens",
        KeepOpens,
        "IOM-07",
        collateral=(("IOM-08", "no grant reaches memory that the OS owns"),),
    ),
    _fault("vtd-keep-revokes-at-once", KeepRevokesAtOnce, "IOM-05"),
    _fault("vtd-keep-tears-down-at-once", KeepTearsDownAtOnce, "EBS-06"),
    _fault("vtd-keeps-stale-grants", KeepsStaleGrants, "IOM-08"),
    _fault("vtd-keeps-tables-in-boot-memory", KeepsTablesInBootMemory, "IOM-03"),
    _fault("vtd-keep-frees-at-teardown", KeepFreesAtTeardown, "MEM-04"),
)
