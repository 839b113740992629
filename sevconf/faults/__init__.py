"""
One-bug machines, by party: each the reference with one part exchanged, and the rules that must catch it.

A rule is finished only when a machine of these fails it. `limits` holds machines on which a limit of the design shows;
`museum` bugs of shipped code.
"""

from collections.abc import Mapping
from types import ModuleType

from sevconf.faults import (
    bus,
    core,
    cpu_access,
    driver_starts,
    drivers,
    every_step,
    exit_duties,
    grants,
    iommu_boundaries,
    iommu_drivers,
    iommu_openings,
    iommu_os,
    keyboard_drivers,
    levels,
    memory,
    museum,
    nic_drivers,
    os_loaders,
    own_devices,
    pools,
    reach,
    residue,
    vtd_drivers,
)
from sevconf.faults.fault import Fault

#: The modules of faults, by party and subject.
MODULES: tuple[ModuleType, ...] = (
    memory,
    bus,
    core,
    iommu_drivers,
    iommu_openings,
    iommu_boundaries,
    pools,
    reach,
    residue,
    drivers,
    driver_starts,
    cpu_access,
    keyboard_drivers,
    nic_drivers,
    own_devices,
    os_loaders,
    levels,
    exit_duties,
    every_step,
    vtd_drivers,
    grants,
    iommu_os,
    museum,
)

#: Every fault by its name, in the order of the modules.
CATALOGUE: Mapping[str, Fault] = {fault.name: fault for module in MODULES for fault in module.FAULTS}

__all__ = ["CATALOGUE", "Fault"]
