"""
What real drivers do at ExitBootServices, seen from outside: OVMF's own, with QEMU's devices.

Nothing runs in the guest but the firmware and the agent. Registers are read through QMP from guest-physical addresses,
acts of the devices come from QEMU's trace events, and what a device writes into memory after the exit shows as a
difference between two dumps of RAM: the only code that runs between them is the agent's, which waits at its line.
"""

import re
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sevconf.errors import LostContact
from sevconf.subjects.firmware.boards import DISKS, Board
from sevconf.subjects.firmware.build import agent
from sevconf.subjects.firmware.guest import Guest, arguments
from sevconf.subjects.firmware.media import disk
from sevconf.subjects.firmware.qemu import Qemu
from sevconf.subjects.firmware.wire import Command, Record, Service
from sevconf.vocabulary import PAGE_SIZE

#: PCI configuration space of q35 as OVMF 2022.11 maps it, and the command register's bus-master bit.
_ECAM, _COMMAND, _BUS_MASTER = 0xB000_0000, 4, 1 << 2
#: Seconds that a stimulus has to show, and bytes of a disk.
_PATIENCE, _DISK = 1.0, 4 << 20
_KEYS = ("a", "b", "c")
_FRAME = b"\xff" * 6 + bytes.fromhex("5254005ec0f0") + b"\x08\x06" + bytes(50)


#: QEMU's trace events of what a driver may do to its device at exit, in words.
ACTS = {
    "usb_xhci_stop": "stops the controller",
    "usb_ehci_reset": "resets the controller",
    "pci_nvme_mmio_stopped": "disables the controller",
    "pci_nvme_mmio_shutdown_set": "asks the controller to shut down",
    "ahci_port_write": "writes registers of the port",
    "ahci_reset": "resets the controller",
    "virtio_set_status": "resets the device",
}


@dataclass(frozen=True, slots=True)
class Fixture:
    """
    A device with its driver; `events` is how the names of its trace events begin.

    `stimulus` is what makes it want to do DMA, or why nothing does.
    """

    device: str
    driver: str
    options: tuple[str, ...]
    events: str
    stimulus: str


_IDLE = "none: the driver waits for each command, so none is in flight"
FIXTURES = (
    Fixture(
        "qemu-xhci", "XhciDxe", ("qemu-xhci,id=xhci", "usb-kbd,bus=xhci.0,id=kbd1"), "usb_xhci", "keys are pressed"
    ),
    Fixture("usb-ehci", "EhciDxe", ("usb-ehci,id=ehci", "usb-kbd,bus=ehci.0,id=kbd2"), "usb_ehci", "keys are pressed"),
    Fixture("nvme", "NvmExpressDxe", ("nvme,id=nvme,drive=d1,serial=s1",), "pci_nvme", _IDLE),
    Fixture("ahci", "AtaAtapiPassThru", ("ahci,id=ahci", "ide-hd,bus=ahci.0,drive=d2"), "ahci", _IDLE),
    Fixture(
        "virtio-net-pci",
        "VirtioNetDxe",
        ("virtio-net-pci,id=vnet,netdev=n1,disable-legacy=on",),
        "virtio",
        "frames arrive",
    ),
    Fixture("virtio-blk-pci", "VirtioBlkDxe", ("virtio-blk-pci,id=vblk,drive=d3,disable-legacy=on",), "virtio", _IDLE),
)
_BACKENDS = (
    *(part for name in ("d1", "d2", "d3") for part in ("-drive", f"if=none,id={name},format=raw,file={name}")),
    *("-netdev", "dgram,id=n1,local.type=unix,local.path=net.qemu,remote.type=unix,remote.path=net.host"),
)


@dataclass(frozen=True, slots=True)
class Exit:
    """
    What one driver did; `before` and `after` are states of its device.

    `written` counts pages written at the stimulus after the exit, `unasked` those written before it.
    """

    device: str
    driver: str
    before: str
    acts: str
    after: str
    bus_master: bool
    stimulus: str
    unasked: int
    written: int

    @property
    def halted(self) -> bool:
        """Whether the device's own registers say that it does not run any more."""
        return self.after in {"halted", "disabled", "port stopped", "reset"}


class Bench:
    """A booted machine with one device more, whose drivers are connected."""

    def __init__(self, qemu: Qemu, fixture: Fixture) -> None:
        self._qemu, self._fixture = qemu, fixture
        self._guest = Guest(qemu)

    def boot(self, board: Board) -> None:
        """Boot to the agent's prompt, and let it connect all drivers."""
        if self._guest.hear("boot, and start the agent", board.boot).kind is not Record.HELLO:
            raise LostContact("firmware", "the agent does not greet")
        list(self._guest.act(Command(Service.ConnectAll), extra=60))
        list(self._guest.act(Command(Service.PassTime, a=300_000)))

    def exit(self) -> None:
        """Let the agent end boot services."""
        for _ in range(3):
            key = list(self._guest.act(Command(Service.GetMemoryMap, a=1 << 20)))[-1].values[2]
            if list(self._guest.act(Command(Service.ExitBootServices, a=key)))[-1].values[0] == 0:
                return
        raise LostContact("firmware", "ExitBootServices does not succeed")

    # Looking in from outside

    def read(self, address: int, size: int) -> int:
        """Read a register or memory at a guest-physical address: 1, 2 or 4 bytes."""
        form = {1: "b", 2: "h", 4: "w"}[size]
        text = str(self._qemu.ask("human-monitor-command", **{"command-line": f"xp /1{form}x {address:#x}"}))
        return int(text.split(":")[1].strip(), 16)

    def ram(self, size: int) -> bytes:
        """Return all RAM."""
        self._qemu.ask("pmemsave", val=0, size=size, filename="ram.dump")
        return (self._qemu.place / "ram.dump").read_bytes()

    def pci(self) -> Mapping[str, Any]:
        """Return what QEMU says of the device."""
        name = re.search(r"\bid=(\w+)", self._fixture.options[0])
        for bus in self._qemu.ask("query-pci"):
            for device in bus["devices"]:
                if name and device.get("qdev_id") == name[1]:
                    return dict(device, bus_number=bus["bus"])
        raise LostContact("firmware", f"QEMU has no device {self._fixture.device}")

    def bar(self, number: int) -> int:
        """Return where a BAR was mapped."""
        return next(int(region["address"]) for region in self.pci()["regions"] if region["bar"] == number)

    def bus_master(self) -> bool:
        """Tell whether the device may do DMA."""
        at = self.pci()
        place = _ECAM + (at["bus_number"] << 20 | at["slot"] << 15 | at["function"] << 12)
        return bool(self.read(place + _COMMAND, 2) & _BUS_MASTER)

    def state(self) -> str:
        """Put into words whether the device runs, as its own registers say."""
        return STATES[self._fixture.device](self)

    def log(self) -> list[str]:
        """Return the trace events so far."""
        text = (self._qemu.place / "trace.log").read_text(encoding="utf-8", errors="replace")
        return [line.split(" ", 1)[0] for line in text.splitlines() if line.strip()]

    # Stimuli

    def stimulate(self) -> None:
        """Let the outside world want something of the device."""
        if "keys" in self._fixture.stimulus:
            for key in _KEYS:
                self._qemu.ask("send-key", keys=[{"type": "qcode", "data": key}])
        elif "frames" in self._fixture.stimulus:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.bind(str(self._qemu.place / "net.host"))
                for _ in _KEYS:
                    wire.sendto(_FRAME, str(self._qemu.place / "net.qemu"))
        time.sleep(_PATIENCE)


def _usb(bench: Bench) -> str:
    bar = bench.bar(0)
    return "runs" if bench.read(bar + bench.read(bar, 1), 4) & 1 else "halted"


def _nvme(bench: Bench) -> str:
    return "enabled" if bench.read(bench.bar(0) + 0x14, 4) & 1 else "disabled"


def _ahci(bench: Bench) -> str:
    command = bench.read(bench.bar(5) + 0x118, 4)
    words = [word for bit, word in ((0, "command list"), (4, "FIS receive")) if command & 1 << bit]
    return f"{' and '.join(words)} on" if words else "port stopped"


def _virtio(bench: Bench) -> str:
    status = bench.read(bench.bar(4) + 0x14, 1)
    return "DRIVER_OK" if status & 4 else f"status {status}" if status else "reset"


#: How a device says that it runs: xHCI 5.4.1, EHCI 2.3.1 (RS), NVMe 3.1 (CC.EN), AHCI 3.3.7 (PxCMD), virtio 1.1 2.1.
STATES: Mapping[str, Callable[[Bench], str]] = {
    "qemu-xhci": _usb,
    "usb-ehci": _usb,
    "nvme": _nvme,
    "ahci": _ahci,
    "virtio-net-pci": _virtio,
    "virtio-blk-pci": _virtio,
}


def watch(board: Board, fixture: Fixture) -> Exit:
    """
    Boot a board with a device, end boot services, and say what its driver and the device did.

    Raises:
        SevconfError: the machine cannot be brought so far.

    """
    with tempfile.TemporaryDirectory(prefix="sevconf-exit-") as folder:
        place = Path(folder)
        for name in ("d1", "d2", "d3"):
            (place / name).write_bytes(bytes(_DISK))
        # The boot disk is of another kind than the device, so that acts on it are not taken for the driver's.
        board = replace(board, disk="ide-hd" if fixture.device.startswith("virtio") else "virtio-blk")
        command = arguments(board, disk(agent(), DISKS[board.disk]), place, f"{place}/ram", share=True)
        devices = [part for option in fixture.options for part in ("-device", option)]
        events = [event for event in ACTS if event.startswith(fixture.events)]
        tracing = [*(part for event in events for part in ("-trace", f"enable={event}")), "-D", "trace.log"]
        with Qemu(board.qemu, [*command, *_BACKENDS, *devices, *tracing], place) as qemu:
            bench = Bench(qemu, fixture)
            bench.boot(board)
            before, seen = bench.state(), len(bench.log())
            bench.exit()
            acts = _words(bench.log()[seen:])
            after, master = bench.state(), bench.bus_master()
            size = board.memory << 20
            time.sleep(_PATIENCE)
            quiet = bench.ram(size)
            time.sleep(_PATIENCE)
            dump = bench.ram(size)
            unasked = _changed(quiet, dump)
            bench.stimulate()
            written = _changed(dump, bench.ram(size))
    return Exit(fixture.device, fixture.driver, before, acts, after, master, fixture.stimulus, unasked, written)


def _words(events: Sequence[str]) -> str:
    return ", ".join(ACTS[event] for event in dict.fromkeys(events) if event in ACTS) or "nothing"


def _changed(one: bytes, other: bytes) -> int:
    pages = range(0, len(one), PAGE_SIZE)
    return sum(one[start : start + PAGE_SIZE] != other[start : start + PAGE_SIZE] for start in pages)
