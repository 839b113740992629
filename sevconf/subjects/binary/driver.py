"""
A binary device driver in the place of the reference's, on a device of QEMU's.

It is started, asked to work and stopped by the protocols of the UEFI driver model. Images beneath it that bind to the
device too, such as a transport, belong to it: what they do is done by it. Others are firmware.

Spec: UEFI 2.10, 11.1 EFI_DRIVER_BINDING_PROTOCOL, 10.3.2 (device paths of PCI functions).
"""

import struct
from typing import ClassVar

from sevconf.contract.driver import DeviceKind, Role
from sevconf.errors import Unsupported
from sevconf.subjects.binary.abi.devices import BLOCK_IO, DRIVER_BINDING, PCI_IO
from sevconf.subjects.binary.firmware.pci_io import PciIoServices
from sevconf.subjects.binary.firmware.system import Firmware, Judge, status_of
from sevconf.subjects.binary.images.image import Image
from sevconf.subjects.binary.origin import Package
from sevconf.subjects.binary.work import PARTING, WORK, Caller, read_blocks, write_blocks
from sevconf.subjects.qemu.function import BarPciIo
from sevconf.vocabulary import EfiStatus
from sevconf.vocabulary.protocols import DEVICE_PATH

_ROOT = struct.pack("<BBHII", 2, 1, 12, 0x0A0341D0, 0)
_END = struct.pack("<BBH", 0x7F, 0xFF, 4)


def is_driver(image: Image) -> bool:
    """Tell whether an image binds to devices."""
    return image.mentions(DRIVER_BINDING.guid)


def actor_of(image: Image) -> str:
    """Return who acts when a binary driver acts."""
    return f"driver:{image.name}"


class BinaryDriver:
    """The driver of a package, on the device behind `pci_io`, which is at `location` (device and function)."""

    role: ClassVar[Role] = "driver"
    kind: ClassVar[DeviceKind] = "device"

    def __init__(self, package: Package, firmware: Firmware, judge: Judge) -> None:
        self.actor = actor_of(package.image)
        self.firmware = firmware
        self._package = package
        self._judge = judge
        self._controller = 0
        self._loaded: list[int] = []
        self._binding = 0
        self._bound: list[int] = []
        self._before: frozenset[int] = frozenset()
        self._callers: dict[int, Caller] = {}

    def load(self) -> None:
        """Load the images, and run their entry points."""
        for image in (*self._package.beneath, self._package.image):
            belongs = image is self._package.image or is_driver(image)
            actor = self.actor if belongs else f"firmware:{image.name}"
            known = set(self.firmware.handles.with_protocol(DRIVER_BINDING.guid))
            status = self.firmware.start(self.firmware.load(image, actor))
            if status:
                self._judge.fail(actor, f"returns {_word(status)} from its entry point")
            new = [h for h in self.firmware.handles.with_protocol(DRIVER_BINDING.guid) if h not in known]
            bindings = [self.firmware.handles.interface(handle, DRIVER_BINDING.guid) or 0 for handle in new]
            if image is self._package.image:
                if not bindings:
                    self._judge.fail(self.actor, f"starts, and installs no {DRIVER_BINDING.name}")
                self._binding = bindings[0]
            else:
                self._loaded += bindings

    def put_on(self, pci_io: BarPciIo, location: int) -> None:
        """Offer it a device."""
        firmware = self.firmware
        services = PciIoServices(pci_io, firmware.core, firmware.memory, location)
        self._controller = firmware.install(PCI_IO, services)
        node = struct.pack("<BBHBB", 1, 1, 6, location & 7, location >> 3)
        path = firmware.memory.allocate(64)
        firmware.memory.write(path, _ROOT + node + _END)
        firmware.handles.install(self._controller, DEVICE_PATH, path)

    # Driver binding

    def supported(self) -> EfiStatus:
        """Start what is beneath it on the device, and ask whether it manages what is there then."""
        for binding in self._loaded:
            if binding not in self._bound and not self._ask(binding, "Supported", self._controller, 0).is_error:
                status = self._ask(binding, "Start", self._controller, 0)
                if status.is_error:
                    return status
                self._bound.append(binding)
        return self._ask(self._binding, "Supported", self._controller, 0)

    def start(self) -> EfiStatus:
        """Start it."""
        self._before = frozenset(self.firmware.handles.all())
        return self._ask(self._binding, "Start", self._controller, 0)

    def stop(self) -> EfiStatus:
        """Stop its children, then itself, then what is beneath it."""
        handles = self.firmware.handles
        children = [
            handle for handle in handles.all() if handle not in self._before and DEVICE_PATH in handles.guids(handle)
        ]
        for child in children:
            place = self.firmware.memory.allocate(8)
            self.firmware.memory.put(place, child)
            status = self._ask(self._binding, "Stop", self._controller, 1, place)
            if status.is_error:
                return status
        status = self._ask(self._binding, "Stop", self._controller, 0, 0)
        while self._bound and not status.is_error:
            status = self._ask(self._bound.pop(), "Stop", self._controller, 0, 0)
        return status

    def _ask(self, binding: int, member: str, *values: int) -> EfiStatus:
        (number,) = self.firmware.use(DRIVER_BINDING, binding, member, *values)
        known = status_of(number)
        if known is None:
            self._judge.fail(self.actor, f"returns {number:#x} from {member}, which is no status of UEFI that fits")
        return known

    def let_users_go(self) -> None:
        """Let who uses its protocols end that, as drivers above it do before it is stopped."""
        for caller in self._callers.values():
            if caller.protocol in PARTING:
                PARTING[caller.protocol](caller)
        self._callers.clear()

    def leave(self) -> None:
        """Take what is beneath it off a device that it does not manage."""
        while self._bound:
            self._ask(self._bound.pop(), "Stop", self._controller, 0, 0)

    # Work

    def produces_blocks(self) -> bool:
        """Tell whether it has produced a disk."""
        return self.firmware.find(BLOCK_IO) is not None

    def produced(self) -> str:
        """Return the first protocol that it produced, by name."""
        return next((protocol.name for protocol in WORK if self.firmware.find(protocol) is not None), "")

    def _caller(self) -> Caller:
        for protocol in WORK:
            interface = self.firmware.find(protocol)
            if interface is not None:
                if interface not in self._callers:
                    self._callers[interface] = Caller(self.firmware, protocol, interface)
                return self._callers[interface]
        raise Unsupported(f"{self.actor} produces no protocol that the suite can use")

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """Read through BlockIo."""
        return read_blocks(self._caller(), lba, count)

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Write through BlockIo, and flush."""
        return write_blocks(self._caller(), lba, data)

    def work(self) -> EfiStatus:
        """Do what its protocol is for, once."""
        caller = self._caller()
        return WORK[caller.protocol](caller)


def _word(status: int) -> str:
    known = status_of(status)
    return f"{status:#x}" if known is None else str(known)
