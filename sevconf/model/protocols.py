"""
The protocol database and what the platform puts into it; and the one service for application processors.

A protocol is an interface under a GUID: handles, device paths and open counts are left out. Besides UEFI's own the
platform has protocols that only firmware of its kind has, as real platforms do; a driver may look for them, and must
get along without.

Spec: UEFI 2.10, 7.3 "Protocol Handler Services"; PI 1.7, volume 2, 13.4 EFI_MP_SERVICES_PROTOCOL.
"""

from contextlib import AbstractContextManager

from sevconf.contract.disk import BLOCK
from sevconf.contract.driver import NotifyFunction
from sevconf.model.recorder import Recorder, Service
from sevconf.trace import ProcedureBegan
from sevconf.vocabulary import UEFI_PROTOCOLS, EfiStatus
from sevconf.vocabulary.protocols import BLOCK_IO, MP_SERVICES, PCI_ENUMERATION_COMPLETE, SIMPLE_TEXT_OUTPUT

#: Blocks of the platform's RAM disk.
RAM_DISK_BLOCKS = 8
#: Application processors of the platform.
PROCESSORS = 1


class RamDisk:
    """EFI_BLOCK_IO_PROTOCOL of another driver: the platform's RAM disk, which belongs to no judged party."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._blocks = bytearray(RAM_DISK_BLOCKS * BLOCK)

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """ReadBlocks."""
        with self._recorder.service("BlockIo.ReadBlocks", "scenario", lba=lba, blocks=count) as call:
            if lba + count > RAM_DISK_BLOCKS:
                return call.returns(EfiStatus.INVALID_PARAMETER), b""
            return call.returns(EfiStatus.SUCCESS), bytes(self._blocks[lba * BLOCK : (lba + count) * BLOCK])

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """WriteBlocks."""
        with self._recorder.service("BlockIo.WriteBlocks", "scenario", lba=lba, blocks=len(data) // BLOCK) as call:
            if lba + len(data) // BLOCK > RAM_DISK_BLOCKS:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            self._blocks[lba * BLOCK : lba * BLOCK + len(data)] = data
            return call.returns(EfiStatus.SUCCESS)


class ProtocolServices:
    """The core's protocol handler services; `protocols` are the interfaces by GUID."""

    gone: bool
    _recorder: Recorder

    def _install_platform(self) -> None:
        """Put in place what the platform has before any driver starts."""
        self.protocols: dict[str, object] = {
            BLOCK_IO: RamDisk(self._recorder),
            SIMPLE_TEXT_OUTPUT: object(),
            MP_SERVICES: object(),
            PCI_ENUMERATION_COMPLETE: object(),
        }

    def remove_private_protocols(self) -> None:
        """Make the platform one that has no protocol but UEFI's own."""
        self.protocols = {guid: found for guid, found in self.protocols.items() if guid in UEFI_PROTOCOLS}

    def _protocol_service(self, name: str, guid: str) -> AbstractContextManager[Service]:
        return self._recorder.service(name, "core", protocol=guid)

    def locate_protocol(self, guid: str) -> tuple[EfiStatus, object]:
        """LocateProtocol."""
        with self._protocol_service("LocateProtocol", guid) as call:
            found = None if self.gone else self.protocols.get(guid)
            return call.returns(EfiStatus.NOT_FOUND if found is None else EfiStatus.SUCCESS), found

    def install_protocol_interface(self, guid: str, interface: object) -> EfiStatus:
        """InstallProtocolInterface, on a handle of its own."""
        with self._protocol_service("InstallProtocolInterface", guid) as call:
            if self.gone or guid in self.protocols:
                return call.returns(EfiStatus.INVALID_PARAMETER)
            self.protocols[guid] = interface
            return call.returns(EfiStatus.SUCCESS)

    def uninstall_protocol_interface(self, guid: str, interface: object) -> EfiStatus:
        """UninstallProtocolInterface."""
        with self._protocol_service("UninstallProtocolInterface", guid) as call:
            if self.gone or self.protocols.get(guid) is not interface:
                return call.returns(EfiStatus.NOT_FOUND)
            del self.protocols[guid]
            return call.returns(EfiStatus.SUCCESS)

    def startup_this_ap(self, processor: int, procedure: NotifyFunction) -> EfiStatus:
        """StartupThisAP, of a platform that has MP services; it returns when the procedure has."""
        caller = self._recorder.actor
        with self._recorder.service("MpServices.StartupThisAP", "core", number=processor) as call:
            if self.gone or MP_SERVICES not in self.protocols:
                return call.returns(EfiStatus.UNSUPPORTED)
            if not 1 <= processor <= PROCESSORS:
                return call.returns(EfiStatus.NOT_FOUND)
            began = self._recorder.record(ProcedureBegan, by=caller, processor=processor)
            with self._recorder.acting(caller), self._recorder.inside(began.step):
                procedure()
            return call.returns(EfiStatus.SUCCESS)
