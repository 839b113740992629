"""OS loaders with one bug each."""

from sevconf.contract.driver import MemoryMap
from sevconf.faults.fault import Fault
from sevconf.model.os_loader import OsLoader
from sevconf.model.parts import Parts
from sevconf.vocabulary import EfiStatus, Party, Tpl


class GivesUp(OsLoader):
    """Calls ExitBootServices once, and gives up when it is refused."""

    def tries_again(self) -> bool:
        """Give up."""
        return False


class RetriesWithStaleKey(OsLoader):
    """Answers a refusal by another call, with the MapKey that was refused."""

    def fresh_map(self, room: int) -> tuple[EfiStatus, MemoryMap]:
        """Take the map once."""
        if self._taken is None:
            self._taken = super().fresh_map(room)
        return self._taken

    _taken: tuple[EfiStatus, MemoryMap] | None = None


class ExitsAtCallback(OsLoader):
    """Calls ExitBootServices at TPL_CALLBACK."""

    def boot(self) -> EfiStatus:
        """Raise the level first."""
        self.boot_services.raise_tpl(Tpl.CALLBACK)
        return super().boot()


FAULTS = (
    Fault("gives-up", Party.OS_LOADER, Parts(loader=GivesUp), ("EBS-03",)),
    Fault("retries-with-stale-key", Party.OS_LOADER, Parts(loader=RetriesWithStaleKey), ("EBS-03",)),
    Fault("exits-at-callback", Party.OS_LOADER, Parts(loader=ExitsAtCallback), ("EBS-04",)),
)
