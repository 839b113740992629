"""
Task priority levels.

Spec: UEFI 2.10, 7.1 "Event, Timer, and Task Priority Services", tables "TPL Usage" and "TPL Restrictions".
"""

from enum import IntEnum


class Tpl(IntEnum):
    """A task priority level; a notification runs at its event's level and is never interrupted by the same or lower."""

    APPLICATION = 4
    CALLBACK = 8
    NOTIFY = 16
    HIGH_LEVEL = 31

    def __str__(self) -> str:
        return f"TPL_{self.name}"
