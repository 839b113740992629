"""
The network card: a bus master that sends when it is told to, and receives when a frame arrives.

Its programming interface is in `sevconf.contract.nic`. `arrived` is the wire's end that the host feeds, `sent` the one
that it listens to.
"""

from collections import deque
from enum import IntEnum

from sevconf.contract.nic import DESCRIPTOR_SIZE, REGISTER_WIDTH, Descriptor, NicRegister, Owner
from sevconf.model.bus import Bus
from sevconf.model.devices.base import Device
from sevconf.model.recorder import Recorder

#: Descriptors that fit a ring, at most.
MAX_ENTRIES = 64


class Nic(Device):
    """The device; `step` lets it make one step of progress in each direction."""

    actor = "device:nic"
    device_id = 0x0001
    registers = REGISTER_WIDTH

    def __init__(self, recorder: Recorder, bus: Bus) -> None:
        super().__init__(recorder, bus)
        self.arrived: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self._values = dict.fromkeys(NicRegister, 0)
        self._tx_head = 0
        self._rx_head = 0
        self._sending: Descriptor | None = None

    def deliver(self, frame: bytes) -> None:
        """Let a frame arrive."""
        self.arrived.append(frame)

    def forget(self) -> None:
        """Forget what was sent, and what has yet to be received."""
        self.sent.clear()
        self.arrived.clear()

    # Registers

    def _value(self, register: IntEnum) -> int:
        return int(self.running) if register is NicRegister.STATUS else self._values[NicRegister(register)]

    def _take(self, register: IntEnum, value: int) -> None:
        if register is NicRegister.TX_TAIL:
            self._values[register] = value % self._entries(NicRegister.TX_ENTRIES)
        elif register is not NicRegister.STATUS and not self.running:
            self._values[NicRegister(register)] = value

    def _entries(self, register: NicRegister) -> int:
        return min(max(self._values[register], 1), MAX_ENTRIES)

    def _restart(self) -> None:
        self._tx_head = self._rx_head = self._values[NicRegister.TX_TAIL] = 0
        self._sending = None
        if self.running:
            self.arrived.clear()

    # Progress

    def _progress(self) -> None:
        """Get on with the frame that is to be sent, and take the one that has arrived."""
        self._send()
        self._receive()

    def _send(self) -> None:
        if self._tx_head == self._values[NicRegister.TX_TAIL]:
            return
        address = self._values[NicRegister.TX_BASE] + self._tx_head * DESCRIPTOR_SIZE
        if self._sending is None:
            descriptor = Descriptor.unpack(self._bus.read(self.actor, address, DESCRIPTOR_SIZE))
            self._sending = descriptor if descriptor.owner == Owner.NIC else None
            return
        self.sent.append(self._bus.read(self.actor, self._sending.address, self._sending.length))
        self._bus.write(self.actor, address, bytes([Owner.DRIVER]))
        self._tx_head = (self._tx_head + 1) % self._entries(NicRegister.TX_ENTRIES)
        self._sending = None

    def _receive(self) -> None:
        if not self.arrived:
            return
        address = self._values[NicRegister.RX_BASE] + self._rx_head * DESCRIPTOR_SIZE
        descriptor = Descriptor.unpack(self._bus.read(self.actor, address, DESCRIPTOR_SIZE))
        frame = self.arrived.popleft()[: descriptor.length]
        if descriptor.owner == Owner.NIC:
            self._bus.write(self.actor, descriptor.address, frame)
            self._bus.write(self.actor, address, Descriptor(Owner.DRIVER, len(frame), descriptor.address).pack())
            self._rx_head = (self._rx_head + 1) % self._entries(NicRegister.RX_ENTRIES)
