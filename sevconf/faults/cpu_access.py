"""Disk drivers whose CPU code touches, with one bug each, what belongs to the disk while a mapping lives."""

from sevconf.contract.disk import BLOCK, Opcode
from sevconf.contract.driver import Mapped
from sevconf.faults.fault import Fault
from sevconf.model.drivers.disk import DiskDriver, InFlight
from sevconf.model.parts import Parts
from sevconf.vocabulary import EfiStatus, Gva, Party


class ReadsBeforeUnmap(DiskDriver):
    """Looks at the data of a command that is done before it unmaps them."""

    def _finish(self, command: InFlight) -> None:
        self.memory.read(command.buffer, BLOCK)
        super()._finish(command)


class WritesBehindMap(DiskDriver):
    """Rewrites the first bytes of what the disk is to read when it is mapped already."""

    def _begin(self, opcode: Opcode, lba: int, buffer: Gva, length: int) -> tuple[EfiStatus, InFlight | None]:
        begun = super()._begin(opcode, lba, buffer, length)
        if opcode is Opcode.WRITE:
            self.memory.write(buffer, self.memory.read(buffer, 16))
        return begun


class ReadsAtDeviceAddress(DiskDriver):
    """Looks at the data of a command at their DeviceAddress."""

    def _data_address(self, mapped: Mapped, buffer: Gva) -> int:
        if mapped.device_address != buffer:
            self.memory.read(Gva(mapped.device_address), BLOCK)
        return super()._data_address(mapped, buffer)


FAULTS = (
    Fault("reads-before-unmap", Party.DRIVER, Parts(driver=ReadsBeforeUnmap), ("DRV-21",)),
    Fault("writes-behind-map", Party.DRIVER, Parts(driver=WritesBehindMap), ("DRV-20",)),
    Fault("reads-at-device-address", Party.DRIVER, Parts(driver=ReadsAtDeviceAddress), ("DRV-22",)),
)
