"""
Words and numbers that specifications fix, as values only.

Spec: UEFI 2.10 chapters 2.3.1, 7 and 14; EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`;
Linux `Documentation/arch/x86/amd-memory-encryption.rst`.
"""

from sevconf.vocabulary.dma import DmaOperation
from sevconf.vocabulary.events import (
    EVENT_GROUPS,
    EVT_NOTIFY_SIGNAL,
    EVT_NOTIFY_WAIT,
    EVT_RUNTIME,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE,
    EVT_TIMER,
    EventGroup,
    TimerDelay,
)
from sevconf.vocabulary.iommu import ONE_SHOT, FaultReason, GlobalCommand, IommuAccess
from sevconf.vocabulary.memory import (
    HUGE_PAGE,
    LARGE_PAGE,
    PAGE_SIZE,
    AllocateType,
    CBit,
    Gpa,
    Gva,
    MemoryDescriptor,
    MemoryType,
    pages_for,
)
from sevconf.vocabulary.pci import FOUR_GIB, AttributeOperation, Command, ConfigRegister, PciAttribute
from sevconf.vocabulary.protocols import PROTOCOL_NAMES, UEFI_PROTOCOLS
from sevconf.vocabulary.services import INDIRECT_MEMORY_SERVICES, MEMORY_SERVICES
from sevconf.vocabulary.status import EfiStatus
from sevconf.vocabulary.terms import Basis, MachineKind, Party, Profile, Revision
from sevconf.vocabulary.tpl import Tpl
from sevconf.vocabulary.tpl_table import Restriction, restriction

__all__ = [
    "EVENT_GROUPS",
    "EVT_NOTIFY_SIGNAL",
    "EVT_NOTIFY_WAIT",
    "EVT_RUNTIME",
    "EVT_SIGNAL_EXIT_BOOT_SERVICES",
    "EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE",
    "EVT_TIMER",
    "FOUR_GIB",
    "HUGE_PAGE",
    "INDIRECT_MEMORY_SERVICES",
    "LARGE_PAGE",
    "MEMORY_SERVICES",
    "ONE_SHOT",
    "PAGE_SIZE",
    "PROTOCOL_NAMES",
    "UEFI_PROTOCOLS",
    "AllocateType",
    "AttributeOperation",
    "Basis",
    "CBit",
    "Command",
    "ConfigRegister",
    "DmaOperation",
    "EfiStatus",
    "EventGroup",
    "FaultReason",
    "GlobalCommand",
    "Gpa",
    "Gva",
    "IommuAccess",
    "MachineKind",
    "MemoryDescriptor",
    "MemoryType",
    "Party",
    "PciAttribute",
    "Profile",
    "Restriction",
    "Revision",
    "TimerDelay",
    "Tpl",
    "pages_for",
    "restriction",
]
