"""Drivers with a fault, by its name."""

from sevconf.subjects.binary.inject import at_exit, mapping
from sevconf.subjects.binary.inject.driver import Injected
from sevconf.subjects.binary.iommu import BinaryIommu

#: Every one, by the name of its fault.
DRIVERS: dict[str, type[Injected]] = {**at_exit.DRIVERS, **mapping.DRIVERS}


def driver_type(name: str) -> type[BinaryIommu]:
    """Return the driver with that fault, or the plain one for no name."""
    return DRIVERS[name] if name else BinaryIommu
