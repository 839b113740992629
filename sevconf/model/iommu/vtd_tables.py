"""
The tables of a VT-d unit as software builds them: one domain for each device, pages that map to themselves.

Firmware and OS build theirs alike, each in memory of its own. Software knows where it put its tables, so it only writes
them; who reads them is `vtd_unit`.

Spec: Linux `drivers/iommu/intel/iommu.h`; EDK II `edk2-platforms`,
`Silicon/Intel/IntelSiliconPkg/Feature/VTd/IntelVTdDxe/TranslationTable.c`.
"""

from collections.abc import Callable

from sevconf.contract.driver import GuestMemory
from sevconf.model.iommu.vtd_unit import AGAW_48, ENTRY, LEVELS, PRESENT, WIDE_ENTRY, level_index
from sevconf.vocabulary import PAGE_SIZE, Gpa, Gva, IommuAccess

_THROUGH = IommuAccess.READ | IommuAccess.WRITE


class TranslationTables:
    """Tables that grant nothing at first; `new_table` returns a page for each new one."""

    def __init__(self, memory: GuestMemory, new_table: Callable[[], Gpa]) -> None:
        self._memory = memory
        self._new_table = new_table
        self._contexts: dict[int, Gpa] = {}
        self._domains: dict[int, Gpa] = {}
        self._lower: dict[tuple[Gpa, int], Gpa] = {}
        self.root = self._empty()

    def set_access(self, source: int, page: int, access: IommuAccess) -> None:
        """Let a device reach the page at that address so, and in no other way."""
        table = self.domain(source)
        for level in range(LEVELS, 1, -1):
            index = level_index(page, level)
            lower = self._lower.get((table, index))
            if lower is None:
                if not access:
                    return
                lower = self._lower[table, index] = self._empty()
                self._write(table + index * ENTRY, lower | _THROUGH)
            table = lower
        self._write(table + level_index(page, 1) * ENTRY, page | access if access else 0)

    def domain(self, source: int) -> Gpa:
        """Return the top table of a device's domain, and make it at first."""
        if source not in self._domains:
            self._domains[source] = self._empty()
            self._install(source, self._domains[source], len(self._domains))
        return self._domains[source]

    def _install(self, source: int, top: Gpa, identifier: int) -> None:
        """Write the context entry of a source."""
        bus, function = divmod(source, 256)
        if bus not in self._contexts:
            self._contexts[bus] = self._empty()
            self._write(self.root + bus * WIDE_ENTRY, self._contexts[bus] | PRESENT)
        at = self._contexts[bus] + function * WIDE_ENTRY
        self._write(at + ENTRY, identifier << 8 | AGAW_48)
        self._write(at, top | PRESENT)

    def _empty(self) -> Gpa:
        table = self._new_table()
        self._memory.write(Gva(table), bytes(PAGE_SIZE))
        return table

    def _write(self, at: int, entry: int) -> None:
        self._memory.write(Gva(at), entry.to_bytes(ENTRY, "little"))
