"""
The devices of QEMU that may be put on a bench, and the options that they may be given: a closed list.

QEMU has device models that open files, sockets and devices of the host; none of those is here, and no option that
names one. Names, options and defaults are QEMU's own (`-device NAME,help`), but for `fault`, which is the bench's: a
disk image whose reads or writes fail.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sevconf.errors import UsageError
from sevconf.subjects.near import near

#: What stands before a device of QEMU's on the command line.
PREFIX = "qemu:"

#: The device whose DMA engine is driven by registers.
EXERCISER = "edu"
#: Devices for Python drivers.
FOR_PYTHON = {EXERCISER, "e1000", "e1000e", "rtl8139", "piix3-usb-uhci", "qemu-xhci", "usb-ehci"}
#: The option of every disk image.
FAULT = "fault"

_NUMBER = r"\d{1,9}|0x[0-9a-fA-F]{1,16}"
_SWITCH = "on|off"
_TEXT = r"[A-Za-z0-9_-]{1,20}"
_MAC = r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}"
_VIRTIO = ("iommu_platform=on", "disable-legacy=on")


class Behind(Enum):
    """What is behind a device: where its data go to and come from."""

    NOTHING = "nothing"
    DISK = "a disk image in memory"
    WIRE = "a wire whose other end is the scenario's"
    KEYBOARD = "a USB keyboard"


@dataclass(frozen=True, slots=True)
class Model:
    """
    One device model: `vendor`, `device` and `class_code` as it shows them, always-on options, and what may be added.

    `member` is the device that sits on its own bus in between (a disk of a controller), if there is one.
    """

    name: str
    what: str
    vendor: int
    device: int
    class_code: int
    behind: Behind = Behind.NOTHING
    member: str = ""
    always: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def for_python(self) -> bool:
        """
        Whether a Python driver may be judged on it.

        Its registers lie in its first BAR in memory or I/O space, they tell whether it runs, and something can happen
        outside that it tells of by DMA, unasked.
        """
        return self.name in FOR_PYTHON

    @property
    def allowed(self) -> Mapping[str, str]:
        """Every option that it takes, and the values of each as a pattern."""
        return {**self.options, FAULT: "read|write"} if self.behind is Behind.DISK else self.options


_NET = {"mac": _MAC}
_MODELS = (
    Model("ahci", "ICH9 AHCI, with a SATA disk", 0x8086, 0x2922, 0x010601, Behind.DISK, "ide-hd"),
    Model(
        EXERCISER,
        "exerciser whose DMA engine is driven by registers",
        *(0x1234, 0x11E8, 0x00FF00),
        always=("dma_mask=0xffffffffffffffff",),
        options={"dma_mask": _NUMBER},
    ),
    Model("e1000", "Intel 82540EM", 0x8086, 0x100E, 0x020000, Behind.WIRE, options=_NET),
    Model("e1000e", "Intel 82574L", 0x8086, 0x10D3, 0x020000, Behind.WIRE, options=_NET),
    Model("lsi53c895a", "LSI 53C895A, with a SCSI disk", 0x1000, 0x0012, 0x010000, Behind.DISK, "scsi-hd"),
    Model("mptsas1068", "LSI SAS 1068, with a SCSI disk", 0x1000, 0x0054, 0x010000, Behind.DISK, "scsi-hd"),
    Model(
        "nvme",
        "NVMe controller with one namespace",
        *(0x1B36, 0x0010, 0x010802),
        Behind.DISK,
        always=("serial=sevconf",),
        options={"serial": _TEXT, "mdts": _NUMBER, "max_ioqpairs": _NUMBER, "logical_block_size": _NUMBER},
    ),
    Model("piix3-usb-uhci", "PIIX3 UHCI, with a keyboard", 0x8086, 0x7020, 0x0C0300, Behind.KEYBOARD, "usb-kbd"),
    Model("pvscsi", "VMware paravirtual SCSI, with a disk", 0x15AD, 0x07C0, 0x010000, Behind.DISK, "scsi-hd"),
    Model(
        "qemu-xhci",
        "xHCI, with a keyboard",
        *(0x1B36, 0x000D, 0x0C0330),
        Behind.KEYBOARD,
        "usb-kbd",
        options={"p2": _NUMBER, "p3": _NUMBER},
    ),
    Model("rtl8139", "Realtek 8139", 0x10EC, 0x8139, 0x020000, Behind.WIRE, options=_NET),
    Model("sdhci-pci", "SD host controller, with a card", 0x1B36, 0x0007, 0x080501, Behind.DISK, "sd-card"),
    Model("usb-ehci", "EHCI, with a keyboard", 0x8086, 0x24CD, 0x0C0320, Behind.KEYBOARD, "usb-kbd"),
    Model(
        "virtio-blk-pci",
        "virtio disk",
        *(0x1AF4, 0x1042, 0x010000),
        Behind.DISK,
        always=_VIRTIO,
        options={"serial": _TEXT, "packed": _SWITCH},
    ),
    Model("virtio-gpu-pci", "virtio display", 0x1AF4, 0x1050, 0x038000, always=_VIRTIO),
    Model(
        "virtio-net-pci",
        "virtio network card",
        *(0x1AF4, 0x1041, 0x020000),
        Behind.WIRE,
        always=_VIRTIO,
        options={**_NET, "packed": _SWITCH},
    ),
    Model("virtio-rng-pci", "virtio source of randomness", 0x1AF4, 0x1044, 0x00FF00, always=_VIRTIO),
    Model("virtio-scsi-pci", "virtio SCSI, with a disk", 0x1AF4, 0x1048, 0x010000, Behind.DISK, "scsi-hd", _VIRTIO),
)
#: Every model by its name.
MODELS: dict[str, Model] = {model.name: model for model in _MODELS}

#: The model for a driver of which only the class of its devices is known, by class code.
BY_CLASS: dict[int, str] = {
    0x010000: "virtio-scsi-pci",
    0x010601: "ahci",
    0x010802: "nvme",
    0x020000: "e1000",
    0x038000: "virtio-gpu-pci",
    0x080501: "sdhci-pci",
    0x0C0300: "piix3-usb-uhci",
    0x0C0320: "usb-ehci",
    0x0C0330: "qemu-xhci",
}
#: The model for a driver that names its devices, by vendor and device.
BY_IDS: dict[tuple[int, int], str] = {(model.vendor, model.device): model.name for model in _MODELS}


@dataclass(frozen=True, slots=True)
class Order:
    """A device to put on a bench: a model, and options that it allows, each `name=value`."""

    model: Model
    options: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        """Which requests of its disk image fail: `read`, `write` or none."""
        return next((option.partition("=")[2] for option in self.options if option.startswith(f"{FAULT}=")), "")

    @property
    def text(self) -> str:
        """It as one names it on the command line."""
        return PREFIX + ",".join((self.model.name, *self.options))

    @property
    def arguments(self) -> str:
        """Model and options for `-device`; an option that is given takes the place of one that is always on."""
        given = {option.partition("=")[0] for option in self.options}
        always = (option for option in self.model.always if option.partition("=")[0] not in given)
        own = (option for option in self.options if not option.startswith(f"{FAULT}="))
        return ",".join((self.model.name, *always, *own))


def is_qemu(text: str) -> bool:
    """Tell whether this names a device of QEMU's."""
    return text.startswith(PREFIX)


def order(text: str) -> Order:
    """
    Read `qemu:MODEL[,option=value…]`.

    Raises:
        UsageError: there is no such model or option, or the value is none of its kind.

    """
    name, *options = text.removeprefix(PREFIX).split(",")
    model = MODELS.get(name)
    if model is None:
        hint = near(name, MODELS) or "`sevconf list devices` shows them"
        raise UsageError(f"there is no device {text!r}", hint=hint)
    allowed = model.allowed
    for option in options:
        key, _, value = option.partition("=")
        if key not in allowed:
            known = ", ".join(allowed) or "none"
            raise UsageError(f"the device {name} takes no option {key!r}", hint=f"its options: {known}")
        if not re.fullmatch(allowed[key], value):
            raise UsageError(f"expected another value for {key} of {name}, not {value!r}")
    return Order(model, tuple(options))


def default_for(*, ids: tuple[int, int] | None = None, class_code: int | None = None) -> Order | None:
    """Return the device that a driver of these ids, or of that class, is tried on; None is no such device."""
    name = BY_IDS.get(ids) if ids is not None else None
    if name is None and class_code is not None:
        name = BY_CLASS.get(class_code)
    return None if name is None else Order(MODELS[name])
