"""
The path of a bus master to DRAM.

Under SEV every DMA is in the clear: the device reads and writes DRAM as it lies, whatever any C-bit says. Nothing
faults; what was not opened for it is ciphertext. Behind VT-d the unit judges each access first; one that it refuses
moves nothing.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst`: DMA inside the guest goes through shared memory.
"""

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.iommu.vtd_unit import VtdUnit
from sevconf.model.recorder import Recorder
from sevconf.trace import Dma, IommuFault
from sevconf.vocabulary import Gpa


class Bus:
    """DMA, behind a VT-d unit if there is one; outside RAM reads return ones and writes are lost, as PCI has it."""

    def __init__(self, recorder: Recorder, ram: EncryptedRam, unit: VtdUnit | None = None) -> None:
        self._recorder = recorder
        self._ram = ram
        self._unit = unit

    def read(self, device: str, address: int, length: int, *, by: str | None = None) -> bytes:
        """Let a device read memory; what is refused reads as ones. `by` is whoever makes it do so, if not itself."""
        data = self.try_read(device, address, length, by=by)
        return b"\xff" * length if data is None else data

    def write(self, device: str, address: int, data: bytes, *, by: str | None = None) -> None:
        """Let a device write memory; what is refused is dropped."""
        self.try_write(device, address, data, by=by)

    def try_read(self, device: str, address: int, length: int, *, by: str | None = None) -> bytes | None:
        """Let a device read memory; None is an IOMMU fault."""
        if not self._passes(device, address, length, write=False, by=by):
            return None
        return self._ram.read_host(Gpa(address), length) if self._inside(address, length) else b"\xff" * length

    def try_write(self, device: str, address: int, data: bytes, *, by: str | None = None) -> bool:
        """Let a device write memory; False is an IOMMU fault."""
        if not self._passes(device, address, len(data), write=True, by=by):
            return False
        if self._inside(address, len(data)):
            self._ram.write_host(Gpa(address), data)
        return True

    def _passes(self, device: str, address: int, length: int, *, write: bool, by: str | None) -> bool:
        access = {"device": device, "address": address, "length": length, "write": write}
        if self._unit is not None:
            source = self._unit.source_of(device)
            reason = self._unit.refuses(source, address, length, write=write)
            if reason is not None:
                self._recorder.record(IommuFault, by=by or device, **access, source=source, reason=reason)
                return False
        self._recorder.record(Dma, by=by or device, **access)
        return True

    def _inside(self, address: int, length: int) -> bool:
        return self._ram.holds(address, length)
