"""
An OS that knows the IOMMU: it takes the unit over with tables of its own, and grants its drivers what they ask for.

The unit changes to the new tables while it goes on translating by the old ones, so at no moment everything passes. If
the firmware has left translation off, the OS turns it on.

Spec: Linux `drivers/iommu/intel/iommu.c`, init_dmars, which turns translation off before it begins, unless it
boots as the kernel that saves a crash dump.
"""

from collections.abc import Callable

from sevconf.model.guest import Guest
from sevconf.model.iommu.vtd_tables import TranslationTables
from sevconf.model.iommu.vtd_unit import VtdUnit
from sevconf.vocabulary import Gpa, IommuAccess


class IommuAwareOs:
    """The reference; `device` may reach `page` when it is done, and nothing else is reachable."""

    def __init__(self, guest: Guest, unit: VtdUnit, new_table: Callable[[], Gpa], device: str, page: Gpa) -> None:
        self.guest = guest
        self.unit = unit
        self._new_table = new_table
        self._device = device
        self._page = page

    def take_over(self) -> None:
        """Put the OS's tables in the place of the firmware's."""
        self.unit.load_root(self.new_tables().root)
        self.unit.enable()

    def new_tables(self) -> TranslationTables:
        """Build tables that grant what the OS wants."""
        tables = TranslationTables(self.guest, self._new_table)
        source = self.unit.source_of(self._device)
        tables.set_access(source, self._page, IommuAccess.READ | IommuAccess.WRITE)
        return tables
