"""
Which services allocate, free or read the memory map.

Spec: UEFI 2.10, 7.2 "Memory Allocation Services" (the closed list); 7.1.2 CreateEventEx on
EFI_EVENT_GROUP_EXIT_BOOT_SERVICES: a notification function may use none of them, nor call what uses them.
"""

#: The memory allocation services of UEFI 7.2, by name.
MEMORY_SERVICES = frozenset({"AllocatePages", "FreePages", "AllocatePool", "FreePool", "GetMemoryMap"})

#: Services that allocate or free in some cores only; told as advisory when an exit handler calls them.
INDIRECT_MEMORY_SERVICES = frozenset({"CreateEvent", "CreateEventEx", "CloseEvent"})
