"""OSes that know the IOMMU, with one bug each."""

from sevconf.faults.fault import Fault
from sevconf.model.iommu_os import IommuAwareOs
from sevconf.model.parts import Parts
from sevconf.vocabulary import Party


class OpensWindow(IommuAwareOs):
    """Turns translation off while it builds its tables, and then on again."""

    def take_over(self) -> None:
        """Do it in that order."""
        self.unit.disable()
        super().take_over()


class KeepsFirmwareTables(IommuAwareOs):
    """Goes on with the firmware's tables, and never loads its own."""

    def take_over(self) -> None:
        """Build them, and leave it at that."""
        self.new_tables()
        self.unit.enable()


FAULTS = (
    Fault("os-opens-window", Party.OS, Parts(os=OpensWindow), ("IOM-10",)),
    Fault("os-keeps-firmware-tables", Party.OS, Parts(os=KeepsFirmwareTables), ("IOM-09",)),
)
