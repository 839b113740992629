"""
Conformance suite for UEFI, IOMMU and PCI drivers that run in AMD SEV guests.

The package judges; it is driven by the features and steps that lie beside it in a checkout, and inside it
(`sevconf/_suite`) in an installation. ARCHITECTURE.md draws the rooms and who may import whom.
"""

__version__ = "0.1.0"
