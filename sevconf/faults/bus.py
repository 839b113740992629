"""Paths of bus masters to DRAM with one bug each, by which the reference's own memory is judged."""

from sevconf.faults.fault import Fault
from sevconf.faults.memory import LastWriterRam
from sevconf.model.bus import Bus
from sevconf.model.parts import Parts
from sevconf.trace import Dma
from sevconf.vocabulary import PAGE_SIZE, Gpa, Party


class SeesThroughCipher(Bus):
    """Lets a device read private memory as the guest does."""

    def try_read(self, device: str, address: int, length: int, *, by: str | None = None) -> bytes | None:
        """Read with the key where the last writer had it."""
        seen = super().try_read(device, address, length, by=by)
        ram = self._ram
        if isinstance(ram, LastWriterRam) and address // PAGE_SIZE in ram.by_cipher:
            return ram.read_private(Gpa(address), length)
        return seen


class WritesThroughCipher(Bus):
    """Lets a device write private memory as the guest does."""

    def try_write(self, device: str, address: int, data: bytes, *, by: str | None = None) -> bool:
        """Write with the key where the last writer had it."""
        ram = self._ram
        if isinstance(ram, LastWriterRam) and address // PAGE_SIZE in ram.by_cipher:
            self._recorder.record(Dma, by=by or device, device=device, address=address, length=len(data), write=True)
            ram.write_private(Gpa(address), data)
            return True
        return super().try_write(device, address, data, by=by)


class SeesLiveDmaInCipher(Bus):
    """Encrypts what a device writes, where the guest means to read it in the clear."""

    def try_write(self, device: str, address: int, data: bytes, *, by: str | None = None) -> bool:
        """Write with the key, whatever lies there."""
        passed = super().try_write(device, address, data, by=by)
        self._ram.write_private(Gpa(address), data)
        return passed


FAULTS = (
    Fault("device-reads-through-cipher", Party.MEMORY, Parts(ram=LastWriterRam, bus=SeesThroughCipher), ("TM-04",)),
    Fault("device-writes-through-cipher", Party.MEMORY, Parts(ram=LastWriterRam, bus=WritesThroughCipher), ("TM-04",)),
    Fault(
        "device-encrypts",
        Party.MEMORY,
        Parts(bus=SeesLiveDmaInCipher),
        ("TM-03",),
        (("TM-04", "a device has no key: it reads and writes DRAM as it lies"),),
    ),
)
