"""The binaries of one worker's machine, which share one firmware: handles, processor, and memory."""

from dataclasses import replace
from typing import Any, cast

from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.subjects.binary.driver import BinaryDriver, actor_of
from sevconf.subjects.binary.firmware.system import Firmware, Judge, Options
from sevconf.subjects.binary.origin import Package
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.machine import QemuMachine
from sevconf.vocabulary import MachineKind


class Ground:
    """What stands beneath all binaries of one machine; `judge` hears of what they do wrong."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._firmware: Firmware | None = None

    def firmware(self, package: Package, core: Core, guest: Guest) -> Firmware:
        """Return the firmware; the platform is that of the first package that asks."""
        if self._firmware is None:
            self._firmware = Firmware(core, guest, Options(package.platform, package.pcd), self.judge)
        return self._firmware


def machine_with_driver(  # noqa: PLR0917 -- what a machine is made of
    package: Package, kind: MachineKind, seed: int, bench: Bench, ground: Ground, beneath: Parts, *, disk: bool
) -> QemuMachine:
    """Return a machine with a binary driver on the bench's first device, over the parts that are `beneath`."""
    made: list[ReferenceMachine] = []

    def driver(*_: object) -> BinaryDriver:
        machine = made[0]
        device = machine.disk if disk else machine.own_device
        firmware = ground.firmware(package, machine.core, machine.guest)
        firmware.open_bus(bench)
        found = BinaryDriver(package, firmware, ground.judge)
        found.load()
        found.put_on(cast("Any", machine.pci_io(cast("Any", device))), bench.devices[0].function.devfn)
        return found

    driver.__name__ = actor_of(package.image).partition(":")[2]
    parts = replace(beneath, driver=driver) if disk else replace(beneath, own_driver=driver)
    machine = QemuMachine(kind, seed, bench, parts, disk=disk)
    made.append(machine)
    return machine
