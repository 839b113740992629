"""
What a binary driver is asked to do, by the protocol that it produces: the smallest act in which data move.

Spec: UEFI 2.10, 13.9 (BlockIo), 13.14 (AtaPassThru), 15.7 (ExtScsiPassThru), 17.1 (Usb2Hc), 24.1 (SimpleNetwork), 37.5
(RNG), 12.9 (GraphicsOutput); ATA8-ACS, 7.16 (IDENTIFY DEVICE); SPC-4, 6.6 (INQUIRY); USB 2.0, 9.4.
"""

import struct
from collections.abc import Callable, Mapping

from sevconf.contract.disk import BLOCK
from sevconf.subjects.binary.abi.devices import (
    ATA_PASS_THRU,
    BLOCK_IO,
    GRAPHICS,
    RANDOM,
    SCSI_PASS_THRU,
    SIMPLE_NETWORK,
    USB2_HC,
)
from sevconf.subjects.binary.abi.protocols import Protocol
from sevconf.subjects.binary.abi.signatures import Datum, Signature, table
from sevconf.subjects.binary.firmware.system import Firmware
from sevconf.vocabulary import PAGE_SIZE, EfiStatus

#: Bytes of the buffer that a driver's caller has.
ROOM = 16 * PAGE_SIZE
_SECOND = 10_000_000
_LAST = 0xFFFF
#: Root hub port features, directions of a transfer and speeds of EFI_USB2_HC_PROTOCOL, and the keyboard's address.
_PORT_ENABLE, _PORT_RESET = 1, 4
_IN, _NO_DATA = 0, 2
_HIGH = 2
_ADDRESSED = 1
(_HEARD,) = table("Heard(data: UINTN, length: UINTN, context: UINTN, status: UINT32)")


class Caller:
    """Who uses a driver's protocol: with a buffer of its own, in its own memory."""

    def __init__(self, firmware: Firmware, protocol: Protocol, interface: int) -> None:
        self.protocol = protocol
        self.interface = interface
        self.memory = firmware.memory
        self._firmware = firmware
        self.buffer = firmware.memory.allocate(ROOM, PAGE_SIZE)
        self._scraps = firmware.memory.allocate(PAGE_SIZE, PAGE_SIZE)
        self._next = 0
        #: Of a device on a USB: its speed, and whether its endpoint is polled.
        self.speed = 0
        self.polled = False

    def function(self, signature: Signature | Datum, handler: Callable[..., EfiStatus]) -> int:
        """Return an address at which a driver finds a function of the caller's."""
        if not isinstance(signature, Signature):
            raise TypeError(signature.name)
        return self._firmware.calls.offer(signature, handler)

    def call(self, member: str, *values: int) -> tuple[int, ...]:
        """Call a function; returns its status as a number, and what comes back."""
        return self._firmware.use(self.protocol, self.interface, member, *values)

    def status(self, member: str, *values: int) -> EfiStatus:
        """Call a function; returns its status, EFI_DEVICE_ERROR for one that UEFI has not."""
        number = self.call(member, *values)[0]
        return EfiStatus(number) if number in EfiStatus.__members__.values() else EfiStatus.DEVICE_ERROR

    def stall(self, microseconds: int) -> None:
        """Wait."""
        self._firmware.core.stall(microseconds)

    def member(self, name: str) -> int:
        """Read a datum of the interface."""
        return self.memory.number(self.interface + self.protocol.offset(name))

    def scrap(self, data: bytes) -> int:
        """Put a parameter block somewhere until the next call."""
        room = -(-len(data) // 64) * 64
        if self._next + room > PAGE_SIZE:
            self._next = 0
        place = self._scraps + self._next
        self._next += room
        self.memory.write(place, data)
        return place


# Blocks


def geometry(caller: Caller) -> tuple[int, int]:
    """Return MediaId and block size of the medium (EFI_BLOCK_IO_MEDIA)."""
    media = caller.member("Media")
    return caller.memory.number(media, 4), caller.memory.number(media + 12, 4)


def read_blocks(caller: Caller, lba: int, count: int) -> tuple[EfiStatus, bytes]:
    """ReadBlocks, of blocks of 512 bytes."""
    media, size = geometry(caller)
    if size != BLOCK or count * BLOCK > ROOM:
        return EfiStatus.BAD_BUFFER_SIZE, b""
    status = caller.status("ReadBlocks", media, lba, count * BLOCK, caller.buffer)
    return status, b"" if status.is_error else caller.memory.read(caller.buffer, count * BLOCK)


def write_blocks(caller: Caller, lba: int, data: bytes) -> EfiStatus:
    """WriteBlocks."""
    media, size = geometry(caller)
    if size != BLOCK or len(data) > ROOM:
        return EfiStatus.BAD_BUFFER_SIZE
    caller.memory.write(caller.buffer, data)
    status = caller.status("WriteBlocks", media, lba, len(data), caller.buffer)
    return status if status.is_error else caller.status("FlushBlocks")


# Other work


def _blocks(caller: Caller) -> EfiStatus:
    pattern = bytes(range(256)) * 2
    status = write_blocks(caller, 9, pattern)
    if status.is_error:
        return status
    caller.memory.write(caller.buffer, bytes(BLOCK))
    status, data = read_blocks(caller, 9, 1)
    return EfiStatus.DEVICE_ERROR if not status.is_error and data != pattern else status


def _identify(caller: Caller) -> EfiStatus:
    """IDENTIFY DEVICE of the first disk of the first port that has one."""
    status, port = caller.call("GetNextPort", _LAST)
    if status:
        return EfiStatus.NOT_FOUND
    status, multiplier = caller.call("GetNextDevice", port, _LAST)
    multiplier = _LAST if status else multiplier
    command = caller.scrap(bytes((0, 0, 0xEC)).ljust(24, b"\0"))
    answer = caller.scrap(bytes(32))
    # Asb, Acb, Timeout, InDataBuffer, OutDataBuffer, InTransferLength, OutTransferLength, Protocol (PIO in), Length.
    packet = struct.pack("<QQQQQIIBB6x", answer, command, 3 * _SECOND, caller.buffer, 0, BLOCK, 0, 4, 0x80 | 0x20)
    caller.memory.write(caller.buffer, bytes(BLOCK))
    status_ = caller.status("PassThru", port, multiplier, caller.scrap(packet), 0)
    model = caller.memory.read(caller.buffer + 54, 40)
    return EfiStatus.DEVICE_ERROR if not status_.is_error and not any(model) else status_


def _inquiry(caller: Caller) -> EfiStatus:
    """READ (10) of a block of target 0."""
    target, cdb = caller.scrap(bytes(16)), caller.scrap(struct.pack(">BBIBHB6x", 0x28, 0, 0, 0, 1, 0))
    sense = caller.scrap(bytes(64))
    fields = (3 * _SECOND, caller.buffer, 0, sense, cdb, BLOCK, 0, 10, 0, 0, 0, 0)
    packet = struct.pack("<QQQQQIIBBBBB3x", *fields[:8], fields[8], 0, 0, 64)
    return caller.status("PassThru", target, 0, caller.scrap(packet), 0)


def _usb(caller: Caller) -> EfiStatus:
    """Find the first port with a device, set that up as a bus driver does, and poll its endpoint 1 from then on."""
    ports = caller.call("GetCapability")[2]
    caller.call("SetState", 1)
    for port in range(ports):
        status, found = caller.call("GetRootHubPortStatus", port)
        if not status and found & 1:
            return _keyboard(caller, port)
    return EfiStatus.NOT_FOUND


def _keyboard(caller: Caller, port: int) -> EfiStatus:
    if caller.polled:
        return _control(caller, _ADDRESSED, _descriptor(1, 18), 18)
    for member, feature, wait in (
        ("SetRootHubPortFeature", _PORT_RESET, 50_000),
        ("ClearRootHubPortFeature", _PORT_RESET, 20_000),
        ("SetRootHubPortFeature", _PORT_ENABLE, 20_000),
    ):
        caller.call(member, port, feature)
        caller.stall(wait)
    found = caller.call("GetRootHubPortStatus", port)[1]
    caller.speed = 2 if found >> 10 & 1 else 1 if found >> 9 & 1 else 0
    for address, request, length in (
        (0, _descriptor(1, 8), 8),
        (0, struct.pack("<BBHHH", 0, 5, _ADDRESSED, 0, 0), 0),
        (_ADDRESSED, _descriptor(1, 18), 18),
        (_ADDRESSED, _descriptor(2, 9), 9),
        (_ADDRESSED, _descriptor(2, 34), 34),
        (_ADDRESSED, struct.pack("<BBHHH", 0, 9, 1, 0, 0), 0),
    ):
        status = _control(caller, address, request, length)
        if status.is_error:
            return status
        caller.stall(2_000)
    heard = caller.function(_HEARD, lambda *_: EfiStatus.SUCCESS)
    status = caller.status(
        *("AsyncInterruptTransfer", _ADDRESSED, 0x81, caller.speed, 8, 1, 0, 10, 8, _translator(caller), heard, 0)
    )
    caller.polled = not status.is_error
    return status


def _control(caller: Caller, address: int, request: bytes, length: int) -> EfiStatus:
    """Do a control transfer; a descriptor has to come as long as it was asked for."""
    direction, data = (_IN, caller.buffer) if length else (_NO_DATA, 0)
    caller.memory.write(caller.buffer, bytes(max(length, 1)))
    numbers = (address, caller.speed, 8 if caller.speed < _HIGH else 64, caller.scrap(request), direction, data, length)
    status, moved, _ = caller.call("ControlTransfer", *numbers, 1000, _translator(caller))
    if status or moved != length or (length and not caller.memory.read(caller.buffer, 1)[0]):
        return EfiStatus.DEVICE_ERROR
    return EfiStatus.SUCCESS


def _descriptor(kind: int, length: int) -> bytes:
    return struct.pack("<BBHHH", 0x80, 6, kind << 8, 0, length)


def _translator(caller: Caller) -> int:
    """Return the translator of a device that hangs at no hub."""
    return caller.scrap(bytes(2))


def _frame(caller: Caller) -> EfiStatus:
    """Start and initialise the card, and send a frame."""
    for member, values in (("Start", ()), ("Initialize", (0, 0)), ("ReceiveFilters", (5, 0, 0, 0, 0))):
        status = caller.status(member, *values)
        if status.is_error:
            return status
    caller.memory.write(caller.buffer, b"\xff" * 6 + bytes.fromhex("525400123456" + "88b5") + bytes(46))
    return caller.status("Transmit", 0, 60, caller.buffer, 0, 0, 0)


def _random(caller: Caller) -> EfiStatus:
    """Fetch bytes; all zeros are none."""
    caller.memory.write(caller.buffer, bytes(64))
    status = caller.status("GetRNG", 0, 64, caller.buffer)
    empty = not any(caller.memory.read(caller.buffer, 64))
    return EfiStatus.DEVICE_ERROR if not status.is_error and empty else status


def _picture(caller: Caller) -> EfiStatus:
    """Set the first mode."""
    return caller.status("SetMode", 0)


#: What is done with each protocol, in the order of preference.
WORK: Mapping[Protocol, Callable[[Caller], EfiStatus]] = {
    BLOCK_IO: _blocks,
    ATA_PASS_THRU: _identify,
    SCSI_PASS_THRU: _inquiry,
    USB2_HC: _usb,
    SIMPLE_NETWORK: _frame,
    RANDOM: _random,
    GRAPHICS: _picture,
}


def _stop_polling(caller: Caller) -> None:
    """Take the transfer back that polls the keyboard."""
    if caller.polled:
        numbers = (_ADDRESSED, 0x81, caller.speed, 8, 0, 0, 0, 0, _translator(caller), 0, 0)
        caller.call("AsyncInterruptTransfer", *numbers)
        caller.polled = False


def _shut_down(caller: Caller) -> None:
    """Shut the card down."""
    caller.call("Shutdown")
    caller.call("Stop")


#: What a user of a protocol does before the driver beneath it is stopped, as drivers above it do in their own Stop.
PARTING: Mapping[Protocol, Callable[[Caller], None]] = {USB2_HC: _stop_polling, SIMPLE_NETWORK: _shut_down}
