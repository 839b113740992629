"""What every group of services has: the core, the layer to the binary, memory, handles, and a way to fail."""

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.recorder import Recorder
from sevconf.subjects.binary.abi.calls import Calls
from sevconf.subjects.binary.abi.memory import Memory
from sevconf.subjects.binary.firmware.handles import Handles

#: Configuration tables that the system table has room for.
MOST_TABLES = 32
_ENTRY = struct.Struct("<16sQ")


class ConfigurationTables:
    """The configuration tables: an array in memory, and its count in the system table at `count_at`."""

    def __init__(self, memory: Memory, count_at: int) -> None:
        self.address = memory.allocate(MOST_TABLES * _ENTRY.size)
        self._memory = memory
        self._count_at = count_at
        self._tables: dict[str, int] = {}

    def put(self, guid: str, table: int) -> bool:
        """Put a table there, or take it away (0); tells whether there was one of that GUID."""
        known = self._tables.pop(guid, None) is not None
        if table and len(self._tables) < MOST_TABLES:
            self._tables[guid] = table
        entries = (_ENTRY.pack(uuid.UUID(guid).bytes_le, address) for guid, address in self._tables.items())
        self._memory.write(self.address, b"".join(entries))
        self._memory.put(self._count_at, len(self._tables))
        return known


@dataclass
class Services:
    """
    The ground of all services.

    `broken` fails on behalf of whoever calls, `missing` notes a protocol that was looked for in vain.
    """

    core: Core
    guest: Guest
    recorder: Recorder
    calls: Calls
    memory: Memory
    handles: Handles
    configuration: ConfigurationTables
    broken: Callable[[str], NoReturn]
    missing: Callable[[str], None]
