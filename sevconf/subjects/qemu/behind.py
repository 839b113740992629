"""
What is behind the devices: a disk image, a wire, a keyboard; and the outside world that acts on them.

Spec: QEMU `docs/devel/blkdebug.txt` (break, resume, inject-error), `qapi/ui.json` (send-key), `qemu-options.hx`
(-netdev dgram).
"""

import errno
import json
import socket
from typing import Literal

from sevconf.errors import TimedOut
from sevconf.subjects.qemu.models import Behind, Order
from sevconf.subjects.qemu.process import NAME, PATIENCE, Memory
from sevconf.subjects.qemu.qmp import Monitor

#: Bytes of a disk image: a power of two, as SD cards want it.
DISK_SIZE = 16 << 20
_LARGEST_FRAME = 1 << 16


class Disk:
    """
    A disk image in memory; `node` names it in QEMU.

    A request may be held on its way to the image, so that it is in flight for as long as the scenario wants. Requests
    of the kind `fault` (`read`, `write`) fail, if one is named.
    """

    def __init__(self, name: str, fault: str = "") -> None:
        self.node = f"disk-{name}"
        self.image = Memory(f"sevconf-{self.node}", DISK_SIZE)
        self._held = f"held-{name}"
        self._fault = fault

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its arguments for QEMU."""
        image = {"driver": "file", "filename": self.image.path, "locking": "off"}
        debug: dict[str, object] = {"driver": "blkdebug", "image": image}
        if self._fault:
            debug["inject-error"] = [{"event": f"{self._fault}_aio", "errno": errno.EIO}]
        return ("-blockdev", json.dumps({"driver": "raw", "node-name": self.node, "file": debug}))

    def hold(self, monitor: Monitor, what: Literal["read", "write"]) -> None:
        """Hold the next request of that kind, on its way to the image."""
        self._qemu_io(monitor, f"break {what}_aio {self._held}")

    def release(self, monitor: Monitor) -> None:
        """Let the request that is held go on, if one is."""
        self._qemu_io(monitor, f"resume {self._held}")

    def _qemu_io(self, monitor: Monitor, command: str) -> None:
        monitor.human(f'qemu-io {self.node} "{command}"')


class Wire:
    """A wire with a network card at its other end."""

    def __init__(self, name: str) -> None:
        self.node = f"wire-{name}"
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.settimeout(PATIENCE)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its arguments for QEMU."""
        return ("-netdev", f"dgram,id={self.node},local.type=fd,local.str={self.theirs.fileno()}")

    def deliver(self, frame: bytes) -> None:
        """Let a frame arrive at the card."""
        self._ours.send(frame)

    def receive(self) -> bytes:
        """
        Wait for a frame that the card sends.

        Raises:
            TimedOut: none comes.

        """
        try:
            return self._ours.recv(_LARGEST_FRAME)
        except TimeoutError as error:
            raise TimedOut(NAME, f"no frame within {PATIENCE:g} s") from error

    def close(self) -> None:
        """Let go of it."""
        self._ours.close()
        self.theirs.close()


class Backing:
    """One device of an order, as QEMU is to have it in a slot of bus 0, with what is behind it."""

    def __init__(self, order: Order, slot: int) -> None:
        self.order = order
        self.name = f"d{slot}"
        #: Name in QEMU of what sits on the device's own bus, if anything does.
        self.member = f"{self.name}-member" if order.model.member else ""
        self.disk = Disk(self.name, order.fault) if order.model.behind is Behind.DISK else None
        self.wire = Wire(self.name) if order.model.behind is Behind.WIRE else None
        self._slot = slot

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What QEMU must inherit."""
        disk = () if self.disk is None else (self.disk.image.descriptor,)
        return disk if self.wire is None else (*disk, self.wire.theirs.fileno())

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments for QEMU."""
        drive = "" if self.disk is None else f",drive={self.disk.node}"
        wire = "" if self.wire is None else f",netdev={self.wire.node}"
        device = f"{self.order.arguments},id={self.name},addr={self._slot:#x}{wire}"
        behind = (self.disk.arguments if self.disk else ()) + (self.wire.arguments if self.wire else ())
        if not self.member:
            return (*behind, "-device", device + drive)
        bus = _BUS.get(self.order.model.member, "{}.0").format(self.name)
        member = f"{self.order.model.member},id={self.member},bus={bus}{drive}"
        return (*behind, "-device", device, "-device", member)

    def close(self) -> None:
        """Let go of what is behind."""
        if self.disk is not None:
            self.disk.image.close()
        if self.wire is not None:
            self.wire.close()


#: Names of buses that QEMU does not call after their device and a number.
_BUS = {"sd-card": "sd-bus"}
