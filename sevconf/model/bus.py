"""
The path of a bus master to DRAM.

Under SEV every DMA is in the clear: the device reads and writes DRAM as it lies, whatever any C-bit says. Nothing
faults; what was not opened for it is ciphertext.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst`: DMA inside the guest goes through shared memory.
"""

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.recorder import Recorder
from sevconf.trace import Dma
from sevconf.vocabulary import Gpa


class Bus:
    """DMA without an IOMMU; an address outside RAM reads as ones and swallows writes, as PCI does."""

    def __init__(self, recorder: Recorder, ram: EncryptedRam) -> None:
        self._recorder = recorder
        self._ram = ram

    def read(self, device: str, address: int, length: int, *, by: str | None = None) -> bytes:
        """Let a device read memory; `by` is whoever makes it do so, if not the device itself."""
        self._recorder.record(Dma, by=by or device, device=device, address=address, length=length, write=False)
        if not self._inside(address, length):
            return b"\xff" * length
        return self._ram.read_host(Gpa(address), length)

    def write(self, device: str, address: int, data: bytes, *, by: str | None = None) -> None:
        """Let a device write memory."""
        self._recorder.record(Dma, by=by or device, device=device, address=address, length=len(data), write=True)
        if self._inside(address, len(data)):
            self._ram.write_host(Gpa(address), data)

    def _inside(self, address: int, length: int) -> bool:
        return address >= 0 and address + length <= self._ram.size
