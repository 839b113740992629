"""
Bugs of shipped firmware, drivers and loaders, each as a machine of the model.

They are mechanisms, not exploits: each shows which rule would have told. `upstream` says where a bug is told in public,
`fixed_in` what mended it. Names begin with `museum-`.
"""

from sevconf.faults.fault import Fault
from sevconf.faults.museum import core, drivers, iommu_drivers, mapping, os_loaders, vtd

#: Every bug of the museum, party by party.
FAULTS: tuple[Fault, ...] = (
    *core.FAULTS,
    *iommu_drivers.FAULTS,
    *drivers.FAULTS,
    *mapping.FAULTS,
    *os_loaders.FAULTS,
    *vtd.FAULTS,
)
