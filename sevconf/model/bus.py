"""
The path of a bus master to DRAM.

Under SEV every DMA is in the clear: the device reads and writes DRAM as it lies, whatever any C-bit says. Nothing
faults; what was not opened for it is ciphertext. Behind VT-d the unit judges each access first; one that it refuses
moves nothing.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst`: DMA inside the guest goes through shared memory.
"""

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.iommu.vtd_unit import Span, VtdUnit
from sevconf.model.recorder import Recorder
from sevconf.trace import Dma, IommuFault
from sevconf.vocabulary import FaultReason, Gpa


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
        spans = self._spans(device, address, length, write=False, by=by)
        return None if spans is None else b"".join(map(self._load, spans))

    def try_write(self, device: str, address: int, data: bytes, *, by: str | None = None) -> bool:
        """Let a device write memory; False is an IOMMU fault."""
        spans = self._spans(device, address, len(data), write=True, by=by)
        if spans is None:
            return False
        at = 0
        for span in spans:
            if self._inside(span):
                self._ram.write_host(Gpa(span.start), data[at : at + span.length])
            at += span.length
        return True

    def _spans(self, device: str, address: int, length: int, *, write: bool, by: str | None) -> tuple[Span, ...] | None:
        """Record an access; returns the memory that it is about, or None if the unit refuses it."""
        spans: tuple[Span, ...] = (Span(address, length),)
        access = {"device": device, "address": address, "length": length, "write": write}
        if self._unit is not None:
            source = self._unit.source_of(device)
            judged = self._unit.translate(source, address, length, write=write)
            if isinstance(judged, FaultReason):
                self._recorder.record(IommuFault, by=by or device, **access, source=source, reason=judged)
                return None
            spans = judged
        self._recorder.record(Dma, by=by or device, **access)
        return spans

    def _load(self, span: Span) -> bytes:
        return self._ram.read_host(Gpa(span.start), span.length) if self._inside(span) else b"\xff" * span.length

    def _inside(self, span: Span) -> bool:
        return self._ram.holds(span.start, span.length)
