"""
One-bug machines, by party: each the reference with one part exchanged, and the rules that must catch it.

A rule is finished only when a machine of these fails it. `limits` holds machines on which a limit of the design shows;
`museum` bugs of shipped code.
"""

from collections.abc import Mapping

from sevconf.faults import core, drivers, iommu_drivers, memory, museum, os_loaders, pools
from sevconf.faults.fault import Fault

#: Every fault by its name, in the order of the parties' modules.
CATALOGUE: Mapping[str, Fault] = {
    fault.name: fault
    for module in (memory, core, iommu_drivers, pools, drivers, os_loaders, museum)
    for fault in module.FAULTS
}

__all__ = ["CATALOGUE", "Fault"]
