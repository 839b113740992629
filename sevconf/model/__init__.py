"""
The reference machine: a UEFI core, guest RAM under SEV, PCI, IOMMU drivers, a disk, a host and an OS loader.

Deterministic, without input or output: the same parts and the same seed give the same trace. Each part is small and
made to be overridden, because a rule is proved by a machine with one bug. The model knows the driver's side of the
contract and nothing of scenarios.

Left out: caches (memory is coherent: a dump sees the last completed access), SEV-SNP and TDX, interrupts, more than one
processor, firmware before DXE.
"""
