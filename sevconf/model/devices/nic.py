"""
The network card: a bus master that sends when it is told to, and receives when a frame arrives.

Its programming interface is in `sevconf.contract.nic`. `arrived` is the wire's end that the host feeds, `sent` the one
that it listens to.
"""

from collections import deque
from collections.abc import Callable

from sevconf.contract.nic import DESCRIPTOR_SIZE, REGISTER_WIDTH, Descriptor, NicRegister, Owner
from sevconf.model.bus import Bus
from sevconf.model.recorder import Recorder
from sevconf.trace import DeviceRegister, DeviceState

#: Descriptors that fit a ring, at most.
MAX_ENTRIES = 64


class Nic:
    """The device; `step` lets it make one step of progress in each direction."""

    actor = "device:nic"

    def __init__(self, recorder: Recorder, bus: Bus) -> None:
        self._recorder = recorder
        self._bus = bus
        #: How many steps it makes where it may make progress.
        self.pace: Callable[[], int] = lambda: 1
        self.arrived: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.running = False
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

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register; devices go on meanwhile."""
        register = self._register(offset, width)
        if register is None:
            return None
        self.go_on()
        value = int(self.running) if register is NicRegister.STATUS else self._values[register]
        self._record(register, value, write=False)
        return value

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; devices go on until it takes effect."""
        register = self._register(offset, width)
        if register is None:
            return False
        self.go_on()
        self._record(register, value, write=True)
        if register in {NicRegister.CONTROL, NicRegister.BUS_MASTER}:
            self._values[register] = value & 1
            self._control(run=bool(self._values[NicRegister.CONTROL] and self._values[NicRegister.BUS_MASTER]))
        elif register is NicRegister.TX_TAIL:
            self._values[register] = value % self._entries(NicRegister.TX_ENTRIES)
        elif register is not NicRegister.STATUS and not self.running:
            self._values[register] = value
        return True

    def _register(self, offset: int, width: int) -> NicRegister | None:
        register = next((r for r in NicRegister if r == offset), None)
        return register if register is not None and REGISTER_WIDTH[register] == width else None

    def _record(self, register: NicRegister, value: int, *, write: bool) -> None:
        self._recorder.record(DeviceRegister, device=self.actor, register=register.name, value=value, write=write)

    def _entries(self, register: NicRegister) -> int:
        return min(max(self._values[register], 1), MAX_ENTRIES)

    def _control(self, *, run: bool) -> None:
        if run != self.running:
            self.running = run
            self._tx_head = self._rx_head = self._values[NicRegister.TX_TAIL] = 0
            self._sending = None
            if run:
                self.arrived.clear()
            self._recorder.record(DeviceState, by=self.actor, device=self.actor, running=run)

    # Progress

    def go_on(self) -> None:
        """Make as much progress as there is time for."""
        for _ in range(self.pace()):
            self.step()

    def step(self) -> None:
        """Get on with the frame that is to be sent, and take the one that has arrived."""
        if self.running:
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
