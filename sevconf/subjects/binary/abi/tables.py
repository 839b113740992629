"""
The system's tables: every boot service and runtime service, in the order in which their pointers lie.

Spec: UEFI 2.10, 4.4 EFI_BOOT_SERVICES, 4.5 EFI_RUNTIME_SERVICES, and chapters 7 and 8 for the signatures.
"""

from sevconf.subjects.binary.abi.signatures import table

BOOT_SERVICES = table(
    """
    RaiseTPL(new_tpl: UINTN) -> UINTN
    RestoreTPL(old_tpl: UINTN) -> VOID
    AllocatePages(type: UINT32, memory_type: UINT32, pages: UINTN, memory: inout UINT64)
    FreePages(memory: UINT64, pages: UINTN)
    GetMemoryMap(size: inout UINTN, buffer: UINTN, key: out UINTN?, descriptor_size: out UINTN?, version: out UINT32?)
    AllocatePool(memory_type: UINT32, size: UINTN, buffer: out UINTN)
    FreePool(buffer: UINTN)
    CreateEvent(type: UINT32, tpl: UINTN, function: UINTN, context: UINTN, event: out UINTN)
    SetTimer(event: UINTN, delay: UINT32, trigger_time: UINT64)
    WaitForEvent(count: UINTN, events: UINTN, index: out UINTN)
    SignalEvent(event: UINTN)
    CloseEvent(event: UINTN)
    CheckEvent(event: UINTN)
    InstallProtocolInterface(handle: inout UINTN, guid: GUID, type: UINT32, interface: UINTN)
    ReinstallProtocolInterface(handle: UINTN, guid: GUID, old: UINTN, new: UINTN)
    UninstallProtocolInterface(handle: UINTN, guid: GUID, interface: UINTN)
    HandleProtocol(handle: UINTN, guid: GUID, interface: out UINTN)
    Reserved: UINTN
    RegisterProtocolNotify(guid: GUID, event: UINTN, registration: out UINTN)
    LocateHandle(search: UINT32, guid: GUID, key: UINTN, size: inout UINTN, buffer: UINTN)
    LocateDevicePath(guid: GUID, path: inout UINTN, handle: out UINTN?)
    InstallConfigurationTable(guid: GUID, table: UINTN)
    LoadImage(policy: BOOLEAN, parent: UINTN, path: UINTN, source: UINTN, size: UINTN, image: out UINTN)
    StartImage(image: UINTN, data_size: out UINTN?, data: out UINTN?)
    Exit(image: UINTN, status: UINTN, data_size: UINTN, data: UINTN)
    UnloadImage(image: UINTN)
    ExitBootServices(image: UINTN, key: UINTN)
    GetNextMonotonicCount(count: out UINT64)
    Stall(microseconds: UINTN)
    SetWatchdogTimer(timeout: UINTN, code: UINT64, data_size: UINTN, data: UINTN)
    ConnectController(controller: UINTN, drivers: UINTN, path: UINTN, recursive: BOOLEAN)
    DisconnectController(controller: UINTN, driver: UINTN, child: UINTN)
    OpenProtocol(handle: UINTN, guid: GUID, interface: out UINTN?, agent: UINTN, controller: UINTN, attributes: UINT32)
    CloseProtocol(handle: UINTN, guid: GUID, agent: UINTN, controller: UINTN)
    OpenProtocolInformation(handle: UINTN, guid: GUID, entries: out UINTN, count: out UINTN)
    ProtocolsPerHandle(handle: UINTN, guids: out UINTN, count: out UINTN)
    LocateHandleBuffer(search: UINT32, guid: GUID, key: UINTN, count: out UINTN, buffer: out UINTN)
    LocateProtocol(guid: GUID, registration: UINTN, interface: out UINTN)
    InstallMultipleProtocolInterfaces(handle: inout UINTN, rest: ARGUMENTS)
    UninstallMultipleProtocolInterfaces(handle: UINTN, rest: ARGUMENTS)
    CalculateCrc32(data: UINTN, size: UINTN, crc: out UINT32)
    CopyMem(destination: UINTN, source: UINTN, length: UINTN) -> VOID
    SetMem(buffer: UINTN, size: UINTN, value: UINT8) -> VOID
    CreateEventEx(type: UINT32, tpl: UINTN, function: UINTN, context: UINTN, group: GUID, event: out UINTN)
    """
)

RUNTIME_SERVICES = table(
    """
    GetTime(time: UINTN, capabilities: UINTN)
    SetTime(time: UINTN)
    GetWakeupTime(enabled: out BOOLEAN, pending: out BOOLEAN, time: UINTN)
    SetWakeupTime(enable: BOOLEAN, time: UINTN)
    SetVirtualAddressMap(size: UINTN, descriptor_size: UINTN, version: UINT32, map: UINTN)
    ConvertPointer(disposition: UINTN, address: inout UINTN)
    GetVariable(name: CHAR16, guid: GUID, attributes: out UINT32?, size: inout UINTN, data: UINTN)
    GetNextVariableName(size: inout UINTN, name: UINTN, guid: UINTN)
    SetVariable(name: CHAR16, guid: GUID, attributes: UINT32, size: UINTN, data: UINTN)
    GetNextHighMonotonicCount(count: out UINT32)
    ResetSystem(type: UINT32, status: UINTN, size: UINTN, data: UINTN) -> VOID
    UpdateCapsule(capsules: UINTN, count: UINTN, list: UINT64)
    QueryCapsuleCapabilities(capsules: UINTN, count: UINTN, largest: out UINT64, type: out UINT32)
    QueryVariableInfo(attributes: UINT32, storage: out UINT64, remaining: out UINT64, largest: out UINT64)
    """
)
