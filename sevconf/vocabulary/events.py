"""
Event types, event groups and timers.

Spec: UEFI 2.10, 7.1.1 CreateEvent, 7.1.2 CreateEventEx, 7.1.7 SetTimer.
"""

from enum import Enum, IntEnum

EVT_TIMER = 0x8000_0000
EVT_RUNTIME = 0x4000_0000
EVT_NOTIFY_WAIT = 0x0000_0100
EVT_NOTIFY_SIGNAL = 0x0000_0200
#: Includes EVT_NOTIFY_SIGNAL; a special type that may not be combined with others.
EVT_SIGNAL_EXIT_BOOT_SERVICES = 0x0000_0201
#: Includes EVT_NOTIFY_SIGNAL and EVT_RUNTIME; may not be combined either.
EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE = 0x6000_0202


class EventGroup(Enum):
    """The event groups that UEFI itself signals, by their GUIDs."""

    EXIT_BOOT_SERVICES = "27abf055-b1b8-4c26-8048-748f37baa2df"
    BEFORE_EXIT_BOOT_SERVICES = "8be0e274-3970-4b44-80c5-1ab9502f3bfc"
    VIRTUAL_ADDRESS_CHANGE = "13fa7698-c831-49c7-87ea-8f43fcc25196"
    MEMORY_MAP_CHANGE = "78bee926-692f-48fd-9edb-01422ef0d7ab"
    READY_TO_BOOT = "7ce88fb3-4bd7-4679-87a8-a8d8dee50d2b"
    AFTER_READY_TO_BOOT = "3a2a00ad-98b9-4cdf-a478-702777f1c10b"
    RESET_SYSTEM = "62da6a56-13fb-485a-a8da-a3dd7912cb6b"


#: GUID to its name, for messages.
EVENT_GROUPS = {group.value: group.name for group in EventGroup}


class TimerDelay(IntEnum):
    """What SetTimer is asked for."""

    CANCEL = 0
    PERIODIC = 1
    RELATIVE = 2
