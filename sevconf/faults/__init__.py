"""
One-bug machines, by party: each the reference with one part exchanged, and the rules that must catch it.

A rule is finished only when a machine of these fails it. `limits` holds machines on which a limit of the design shows.
"""

from collections.abc import Mapping

from sevconf.faults import (
    core,
    cpu_access,
    drivers,
    iommu_drivers,
    keyboard_drivers,
    memory,
    nic_drivers,
    os_loaders,
    residue,
)
from sevconf.faults.fault import Fault

#: Every fault by its name, in the order of the parties' modules.
CATALOGUE: Mapping[str, Fault] = {
    fault.name: fault
    for module in (memory, core, iommu_drivers, residue, drivers, cpu_access, keyboard_drivers, nic_drivers, os_loaders)
    for fault in module.FAULTS
}

__all__ = ["CATALOGUE", "Fault"]
