"""
Protocols that Python offers to binaries, or uses of theirs, as tables.

Spec: PI 1.7, volume 3, 8.3 EFI_PCD_PROTOCOL and EDK II `MdePkg/Include/Protocol/Pcd.h`; EDK II
`MdeModulePkg/Include/Protocol/IoMmu.h`; UEFI 2.10, 11.1 EFI_DRIVER_BINDING_PROTOCOL.
"""

from dataclasses import dataclass

from sevconf.subjects.binary.abi.signatures import Datum, Signature, table
from sevconf.vocabulary.protocols import EDKII_IOMMU


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol: its GUID, and what lies in its interface, in order."""

    name: str
    guid: str
    members: tuple[Signature | Datum, ...]

    def offset(self, name: str) -> int:
        """Return where a member lies in the interface, in bytes."""
        return [member.name for member in self.members].index(name) * 8

    def signature(self, name: str) -> Signature:
        """Return a function of it."""
        return next(member for member in self.members if isinstance(member, Signature) and member.name == name)


IOMMU = Protocol(
    "EDKII_IOMMU_PROTOCOL",
    EDKII_IOMMU,
    table(
        """
        Revision: UINT64
        SetAttribute(this: UINTN, device: UINTN, mapping: UINTN, access: UINT64)
        Map(this: UINTN, operation: UINT32, host: UINTN, length: inout UINTN, device: out UINT64, mapping: out UINTN)
        Unmap(this: UINTN, mapping: UINTN)
        AllocateBuffer(this: UINTN, type: UINT32, memory_type: UINT32, pages: UINTN, host: inout UINTN, flags: UINT64)
        FreeBuffer(this: UINTN, pages: UINTN, host: UINTN)
        """
    ),
)

#: EDK II's own PCD protocol, by token; every width has a Get, an Ex of it with a token space, and a Set.
PCD = Protocol(
    "PCD_PROTOCOL",
    "11b34006-d85b-4d0a-a290-d5a571310ef7",
    table(
        """
        SetSku(sku: UINTN) -> VOID
        Get8(token: UINTN) -> UINT8
        Get16(token: UINTN) -> UINT16
        Get32(token: UINTN) -> UINT32
        Get64(token: UINTN) -> UINT64
        GetPtr(token: UINTN) -> UINTN
        GetBool(token: UINTN) -> BOOLEAN
        GetSize(token: UINTN) -> UINTN
        Get8Ex(space: GUID, token: UINTN) -> UINT8
        Get16Ex(space: GUID, token: UINTN) -> UINT16
        Get32Ex(space: GUID, token: UINTN) -> UINT32
        Get64Ex(space: GUID, token: UINTN) -> UINT64
        GetPtrEx(space: GUID, token: UINTN) -> UINTN
        GetBoolEx(space: GUID, token: UINTN) -> BOOLEAN
        GetSizeEx(space: GUID, token: UINTN) -> UINTN
        Set8(token: UINTN, value: UINT8)
        Set16(token: UINTN, value: UINT16)
        Set32(token: UINTN, value: UINT32)
        Set64(token: UINTN, value: UINT64)
        SetPtr(token: UINTN, size: inout UINTN, buffer: UINTN)
        SetBool(token: UINTN, value: BOOLEAN)
        Set8Ex(space: GUID, token: UINTN, value: UINT8)
        Set16Ex(space: GUID, token: UINTN, value: UINT16)
        Set32Ex(space: GUID, token: UINTN, value: UINT32)
        Set64Ex(space: GUID, token: UINTN, value: UINT64)
        SetPtrEx(space: GUID, token: UINTN, size: inout UINTN, buffer: UINTN)
        SetBoolEx(space: GUID, token: UINTN, value: BOOLEAN)
        CallbackOnSet(space: GUID, token: UINTN, function: UINTN)
        CancelCallback(space: GUID, token: UINTN, function: UINTN)
        GetNextToken(space: GUID, token: inout UINTN)
        GetNextTokenSpace(space: inout UINTN)
        """
    ),
)
