"""A binary is tried once before it is judged: what it installs or drives says what it is; what it misses is told."""

from dataclasses import dataclass
from typing import Any, cast

from sevconf.model.machine import ReferenceMachine
from sevconf.subjects.binary.abi.protocols import IOMMU
from sevconf.subjects.binary.driver import BinaryDriver
from sevconf.subjects.binary.firmware.system import Firmware, Judge, Options
from sevconf.subjects.binary.inject.drivers import driver_type
from sevconf.subjects.binary.origin import Package
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.machine import QemuMachine
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, Gva, MachineKind, MemoryType

#: Seed of the machine that it is tried on.
_SEED = 0


@dataclass(frozen=True, slots=True)
class Probed:
    """
    What a binary was seen to be.

    `iommu` if it installs that protocol; GUIDs of what it looked for in vain; for a driver the `device` that it
    manages, in words of the command line ("" is none), whether it makes it a `disk`, and the protocol that it produces.
    """

    iommu: bool
    missing: tuple[str, ...]
    device: str = ""
    disk: bool = False
    produced: str = ""


def probe(package: Package, judge: Judge, bench: Bench | None = None) -> Probed:
    """Start a binary: as IOMMU driver, which serves a common buffer and a bounce, or as driver on a `bench`."""
    return _iommu(package, judge) if bench is None else _driver(package, judge, bench)


def _iommu(package: Package, judge: Judge) -> Probed:
    machine = ReferenceMachine(MachineKind.SEV, _SEED)
    iommu = driver_type(package.inject)(package, machine.core, machine.guest, machine.ledger, judge=judge)
    with machine.recorder.acting(iommu.actor):
        iommu.enter()
        if iommu.firmware.find(IOMMU) is not None:
            _, host = iommu.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
            for operation in (DmaOperation.COMMON_BUFFER, DmaOperation.READ):
                mapped = iommu.map(operation, Gva(host), PAGE_SIZE)
                if not mapped.status.is_error:
                    iommu.unmap(mapped.mapping)
    return Probed(iommu.firmware.find(IOMMU) is not None, tuple(iommu.firmware.missing))


def _driver(package: Package, judge: Judge, bench: Bench) -> Probed:
    machine = QemuMachine(MachineKind.SEV, _SEED, bench)
    firmware = Firmware(machine.core, machine.guest, Options(package.platform, package.pcd), judge)
    firmware.open_bus(bench)
    driver = BinaryDriver(package, firmware, judge)
    functions = (machine.own_device, *machine.others)
    with machine.recorder.acting(driver.actor):
        driver.load()
        for device, function in zip(bench.devices, functions, strict=True):
            driver.put_on(cast("Any", machine.pci_io(cast("Any", function))), device.function.devfn)
            if driver.supported().is_error or driver.start().is_error:
                driver.leave()
                continue
            text = device.backing.order.text
            return Probed(False, tuple(firmware.missing), text, driver.produces_blocks(), driver.produced())
    return Probed(False, tuple(firmware.missing))
