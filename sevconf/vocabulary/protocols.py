"""
Protocols by their GUIDs: those that UEFI itself defines, and a few that only platforms do.

Spec: UEFI 2.10, chapters 12 to 14; PI 1.7, volume 2, 13.4 (MP services) and volume 5, 10.6 (PCI enumeration complete);
EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`.
"""

BLOCK_IO = "964e5b21-6459-11d2-8e39-00a0c969723b"
DEVICE_PATH = "09576e91-6d3f-11d2-8e39-00a0c969723b"
PCI_IO = "4cf5b200-68b8-4ca5-9eec-b23e3f50029a"
SIMPLE_TEXT_OUTPUT = "387477c2-69c7-11d2-8e39-00a0c969723b"

MP_SERVICES = "3fdda605-a76e-4f46-ad29-12f4531b3d08"
PCI_ENUMERATION_COMPLETE = "30cfe3e7-3de1-4586-be20-deaba1b3b793"
EDKII_IOMMU = "4e939de9-d948-4b0f-88ed-e6e1ce517c1e"

#: Protocols of the UEFI specification, by GUID; every other one is private to a kind of platform.
UEFI_PROTOCOLS = {
    BLOCK_IO: "EFI_BLOCK_IO_PROTOCOL",
    DEVICE_PATH: "EFI_DEVICE_PATH_PROTOCOL",
    PCI_IO: "EFI_PCI_IO_PROTOCOL",
    SIMPLE_TEXT_OUTPUT: "EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL",
}

#: Names of protocols, for messages.
PROTOCOL_NAMES = {
    **UEFI_PROTOCOLS,
    MP_SERVICES: "EFI_MP_SERVICES_PROTOCOL",
    PCI_ENUMERATION_COMPLETE: "EFI_PCI_ENUMERATION_COMPLETE_PROTOCOL",
    EDKII_IOMMU: "EDKII_IOMMU_PROTOCOL",
}
