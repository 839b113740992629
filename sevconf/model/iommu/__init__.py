"""
IOMMU drivers: what stands between PciIo.Map and the memory that a bus master reaches.

`none` is a root bridge without an IOMMU protocol, `sev` the driver of an SEV guest, `sev_pool` the same with a pool of
shared pages, `vtd` that of a VT-d unit; the unit itself is `vtd_unit`, its tables `vtd_tables`.

Spec: EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`; UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map().
"""
