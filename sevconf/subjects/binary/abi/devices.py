"""
Protocols between device drivers and whoever is above or below them, as tables: PciIo, driver binding, and their work.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL, 11.1 EFI_DRIVER_BINDING_PROTOCOL, 13.9 EFI_BLOCK_IO_PROTOCOL, 13.14
EFI_ATA_PASS_THRU_PROTOCOL, 15.7 EFI_EXT_SCSI_PASS_THRU_PROTOCOL, 17.1 EFI_USB2_HC_PROTOCOL, 24.1
EFI_SIMPLE_NETWORK_PROTOCOL, 37.5 EFI_RNG_PROTOCOL, 12.9 EFI_GRAPHICS_OUTPUT_PROTOCOL.
"""

from sevconf.subjects.binary.abi.protocols import Protocol
from sevconf.subjects.binary.abi.signatures import table
from sevconf.vocabulary.protocols import BLOCK_IO as BLOCK_IO_GUID
from sevconf.vocabulary.protocols import PCI_IO as PCI_IO_GUID

PCI_IO = Protocol(
    "EFI_PCI_IO_PROTOCOL",
    PCI_IO_GUID,
    table(
        """
        PollMem(this: UINTN, width: UINT32, bar: UINT8, offset: UINT64, mask: UINT64, value: UINT64, delay: UINT64, result: out UINT64)
        PollIo(this: UINTN, width: UINT32, bar: UINT8, offset: UINT64, mask: UINT64, value: UINT64, delay: UINT64, result: out UINT64)
        MemRead(this: UINTN, width: UINT32, bar: UINT8, offset: UINT64, count: UINTN, buffer: UINTN)
        MemWrite(this: UINTN, width: UINT32, bar: UINT8, offset: UINT64, count: UINTN, buffer: UINTN)
        IoRead(this: UINTN, width: UINT32, bar: UINT8, offset: UINT64, count: UINTN, buffer: UINTN)
        IoWrite(this: UINTN, width: UINT32, bar: UINT8, offset: UINT64, count: UINTN, buffer: UINTN)
        PciRead(this: UINTN, width: UINT32, offset: UINT32, count: UINTN, buffer: UINTN)
        PciWrite(this: UINTN, width: UINT32, offset: UINT32, count: UINTN, buffer: UINTN)
        CopyMem(this: UINTN, width: UINT32, to_bar: UINT8, to: UINT64, from_bar: UINT8, from: UINT64, count: UINTN)
        Map(this: UINTN, operation: UINT32, host: UINTN, length: inout UINTN, device: out UINT64, mapping: out UINTN)
        Unmap(this: UINTN, mapping: UINTN)
        AllocateBuffer(this: UINTN, type: UINT32, memory_type: UINT32, pages: UINTN, host: out UINTN, attributes: UINT64)
        FreeBuffer(this: UINTN, pages: UINTN, host: UINTN)
        Flush(this: UINTN)
        GetLocation(this: UINTN, segment: out UINTN, bus: out UINTN, device: out UINTN, function: out UINTN)
        Attributes(this: UINTN, operation: UINT32, attributes: UINT64, result: out UINT64?)
        GetBarAttributes(this: UINTN, bar: UINT8, supports: out UINT64?, resources: out UINTN?)
        SetBarAttributes(this: UINTN, attributes: UINT64, bar: UINT8, offset: inout UINT64, length: inout UINT64)
        RomSize: UINT64
        RomImage: UINTN
        """  # noqa: E501 -- a signature is a line
    ),
)

DRIVER_BINDING = Protocol(
    "EFI_DRIVER_BINDING_PROTOCOL",
    "18a031ab-b443-4d1a-a5c0-0c09261e9f71",
    table(
        """
        Supported(this: UINTN, controller: UINTN, path: UINTN)
        Start(this: UINTN, controller: UINTN, path: UINTN)
        Stop(this: UINTN, controller: UINTN, count: UINTN, children: UINTN)
        """
    ),
)

BLOCK_IO = Protocol(
    "EFI_BLOCK_IO_PROTOCOL",
    BLOCK_IO_GUID,
    table(
        """
        Revision: UINT64
        Media: UINTN
        Reset(this: UINTN, extended: BOOLEAN)
        ReadBlocks(this: UINTN, media: UINT32, lba: UINT64, size: UINTN, buffer: UINTN)
        WriteBlocks(this: UINTN, media: UINT32, lba: UINT64, size: UINTN, buffer: UINTN)
        FlushBlocks(this: UINTN)
        """
    ),
)

ATA_PASS_THRU = Protocol(
    "EFI_ATA_PASS_THRU_PROTOCOL",
    "1d3de7f0-0807-424f-aa69-11a54e19a46f",
    table(
        """
        Mode: UINTN
        PassThru(this: UINTN, port: UINT16, multiplier: UINT16, packet: UINTN, event: UINTN)
        GetNextPort(this: UINTN, port: inout UINT16)
        GetNextDevice(this: UINTN, port: UINT16, multiplier: inout UINT16)
        """
    ),
)

SCSI_PASS_THRU = Protocol(
    "EFI_EXT_SCSI_PASS_THRU_PROTOCOL",
    "143b7632-b81b-4cb7-abd3-b625a5b9bffe",
    table(
        """
        Mode: UINTN
        PassThru(this: UINTN, target: UINTN, lun: UINT64, packet: UINTN, event: UINTN)
        """
    ),
)

USB2_HC = Protocol(
    "EFI_USB2_HC_PROTOCOL",
    "3e745226-9818-45b6-a2ac-d7cd0e8ba2bc",
    table(
        """
        GetCapability(this: UINTN, speed: out UINT8, ports: out UINT8, wide: out UINT8)
        Reset(this: UINTN, attributes: UINT16)
        GetState(this: UINTN, state: out UINT32)
        SetState(this: UINTN, state: UINT32)
        ControlTransfer(this: UINTN, address: UINT8, speed: UINT8, most: UINTN, request: UINTN, direction: UINT32, data: UINTN, length: inout UINTN, timeout: UINTN, translator: UINTN, result: out UINT32)
        BulkTransfer: UINTN
        AsyncInterruptTransfer(this: UINTN, address: UINT8, endpoint: UINT8, speed: UINT8, most: UINTN, new: BOOLEAN, toggle: inout UINT8, interval: UINTN, length: UINTN, translator: UINTN, callback: UINTN, context: UINTN)
        SyncInterruptTransfer: UINTN
        IsochronousTransfer: UINTN
        AsyncIsochronousTransfer: UINTN
        GetRootHubPortStatus(this: UINTN, port: UINT8, status: out UINT32)
        SetRootHubPortFeature(this: UINTN, port: UINT8, feature: UINT32)
        ClearRootHubPortFeature(this: UINTN, port: UINT8, feature: UINT32)
        """  # noqa: E501 -- a signature is a line
    ),
)

SIMPLE_NETWORK = Protocol(
    "EFI_SIMPLE_NETWORK_PROTOCOL",
    "a19832b9-ac25-11d3-9a2d-0090273fc14d",
    table(
        """
        Revision: UINT64
        Start(this: UINTN)
        Stop(this: UINTN)
        Initialize(this: UINTN, receive: UINTN, transmit: UINTN)
        Reset(this: UINTN, extended: BOOLEAN)
        Shutdown(this: UINTN)
        ReceiveFilters(this: UINTN, enable: UINT32, disable: UINT32, reset: BOOLEAN, count: UINTN, filters: UINTN)
        StationAddress(this: UINTN, reset: BOOLEAN, address: UINTN)
        Statistics(this: UINTN, reset: BOOLEAN, size: UINTN, table: UINTN)
        MCastIpToMac(this: UINTN, six: BOOLEAN, ip: UINTN, mac: UINTN)
        NvData(this: UINTN, read: BOOLEAN, offset: UINTN, size: UINTN, buffer: UINTN)
        GetStatus(this: UINTN, interrupts: out UINT32, buffer: out UINTN)
        Transmit(this: UINTN, header: UINTN, size: UINTN, buffer: UINTN, from: UINTN, to: UINTN, protocol: UINTN)
        Receive(this: UINTN, header: UINTN, size: inout UINTN, buffer: UINTN, from: UINTN, to: UINTN, protocol: UINTN)
        """
    ),
)

RANDOM = Protocol(
    "EFI_RNG_PROTOCOL",
    "3152bca5-eade-433d-862e-c01cdc291f44",
    table(
        """
        GetInfo(this: UINTN, size: inout UINTN, list: UINTN)
        GetRNG(this: UINTN, algorithm: UINTN, length: UINTN, value: UINTN)
        """
    ),
)

GRAPHICS = Protocol(
    "EFI_GRAPHICS_OUTPUT_PROTOCOL",
    "9042a9de-23dc-4a38-96fb-7aded080516a",
    table(
        """
        QueryMode(this: UINTN, mode: UINT32, size: out UINTN, information: out UINTN)
        SetMode(this: UINTN, mode: UINT32)
        Blt(this: UINTN, buffer: UINTN, operation: UINT32, from_x: UINTN, from_y: UINTN, x: UINTN, y: UINTN, width: UINTN, height: UINTN, delta: UINTN)
        Mode: UINTN
        """  # noqa: E501 -- a signature is a line
    ),
)
