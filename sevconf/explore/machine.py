"""
The machine that is explored: the reference's parts, with as many devices and drivers as the plan names.

Devices make no step of their own accord between notifications: the scheduler decides. As in the reference they go on
when their registers are touched, and when a driver waits.

Left out: drivers of kind `device` beyond the built-in one; memory pressure; timers, which are off while handlers run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sevconf.contract.disk import BLOCK
from sevconf.contract.secret import Secret
from sevconf.errors import ForeignFailure, UsageError
from sevconf.explore.plan import Plan
from sevconf.explore.scheduler import Scheduler, open_events
from sevconf.faults.drivers import HaltsTooLate
from sevconf.faults.limits import DeferringDiskDriver
from sevconf.model.devices.disk import Disk
from sevconf.model.devices.keyboard import Keyboard
from sevconf.model.devices.nic import Nic
from sevconf.model.devices.own import OwnDevice
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.event import Events
from sevconf.model.iommu.variants import IOMMU_GROUP, CoreSignalledIommu
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.model.pci_io import PciIo
from sevconf.model.root_bridge import source_id
from sevconf.subjects.near import near
from sevconf.subjects.python.load import class_of, describe, origin_of
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_SIGNAL_EXIT_BOOT_SERVICES, EventGroup, Tpl

#: The block that each disk's driver writes and reads back, and the one of the write that is in flight at exit.
FIRST_BLOCK, FLYING_BLOCK = 3, 7
#: What a disk's medium holds before.
OLD = b"\xa5"


class _ByGroup:
    """Boot services that register for ExitBootServices by CreateEventEx and its group."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def create_event(self, type: int, notify_tpl: Tpl, function: Any = None, *, name: str | None = None) -> Any:
        """CreateEvent."""
        if type != EVT_SIGNAL_EXIT_BOOT_SERVICES:
            return self._core.create_event(type, notify_tpl, function, name=name)
        group = EventGroup.EXIT_BOOT_SERVICES.value
        return self._core.create_event_ex(EVT_NOTIFY_SIGNAL, notify_tpl, function, group, name=name)


def _disk_by_group(core: Any, pci_io: Any, memory: Any) -> DiskDriver:
    services: Any = _ByGroup(core)
    return DiskDriver(services, pci_io, memory)


#: Built-in drivers: kind of device, and driver; None is the one of the machine's parts.
BUILT_IN: Mapping[str, tuple[str, Callable[..., Any] | None]] = {
    "disk": ("block", None),
    "group-disk": ("block", _disk_by_group),
    "deferring-disk": ("block", DeferringDiskDriver),
    "twice-deferring-disk": ("block", HaltsTooLate),
    "keyboard": ("keyboard", None),
    "nic": ("network", None),
    "device": ("device", None),
}


@dataclass(frozen=True, slots=True)
class Seat:
    """One driver: its name in the plan, what it drives, what makes it, and whether it is foreign."""

    name: str
    kind: str
    make: Callable[..., Any]
    foreign: bool


def seats(plan: Plan) -> tuple[Seat, ...]:
    """
    Return a plan's drivers.

    Raises:
        UsageError: one is unknown, does not fit the contract, or is of a kind that is not explored.

    """
    return tuple(_seat(name, plan.parts) for name in plan.drivers)


def _seat(name: str, parts: Parts) -> Seat:
    if name in BUILT_IN:
        kind, driver = BUILT_IN[name]
        own = {
            "block": parts.driver,
            "keyboard": parts.keyboard_driver,
            "network": parts.network_driver,
            "device": parts.own_driver,
        }
        return Seat(name, kind, driver or own[kind], foreign=False)
    if ":" not in name:
        raise UsageError(f"there is no driver {name!r}", hint=near(name, BUILT_IN) or "or name a class: FILE.py:CLASS")
    origin = origin_of(name)
    found = describe(origin)
    if found.role != "driver" or found.kind not in {"block", "keyboard", "network"}:
        raise UsageError(
            f"expected a driver of a disk, a keyboard or a network card, not {name}",
            hint="the explorer takes foreign drivers of kind block, keyboard and network",
        )
    return Seat(name, str(found.kind), class_of(origin), foreign=True)


class ExploredMachine(ReferenceMachine):
    """A reference machine with the plan's devices, whose order of events is a scheduler's."""

    def __init__(self, plan: Plan, drivers: tuple[Seat, ...], scheduler: Scheduler) -> None:
        parts = plan.parts
        late = plan.reduced and parts.events is Events
        foreign = frozenset(f"driver:{n}-{seat.name}" for n, seat in enumerate(drivers, 1) if seat.foreign)
        events = open_events(parts.events, scheduler, late=late, fixed=foreign)
        super().__init__(plan.kind, plan.seed, replace(parts, events=events))
        self.plan = plan
        #: Whether order and levels are chosen as late as can be, on the reference's queue.
        self.late = late
        self.scheduler = scheduler
        self.seats = drivers
        if isinstance(parts.iommu, type) and issubclass(parts.iommu, CoreSignalledIommu):
            self.core.iommu_group = IOMMU_GROUP
        self.masters = [self._device(number, seat) for number, seat in enumerate(drivers, 1)]
        self.functions = (*self.functions, *(m for m in self.masters if m is not self.own_device))
        if self.unit is not None:
            self.unit.sources.update({f.actor: source_id(place) for place, f in enumerate(self.functions)})
        scheduler.devices = {device.actor: device for device in self.masters}
        self.drivers: list[Any] = []
        self.secrets: list[Secret] = []

    def _device(self, number: int, seat: Seat) -> Any:
        if seat.kind == "device":
            return self.own_device
        kinds: dict[str, type[Disk | Keyboard | Nic]] = {
            "block": self.parts.disk,
            "keyboard": self.parts.keyboard,
            "network": self.parts.nic,
        }
        kind = kinds[seat.kind]
        return type(kind.__name__, (kind,), {"actor": f"device:{number}-{seat.kind}"})(self.recorder, self.bus)

    def _step_devices(self) -> None:
        # Between notifications the scheduler decides; in a wait all go on.
        if not self.scheduler.open:
            for device in self.masters:
                device.step()

    def actor(self, number: int) -> str:
        """Return who acts when the driver in that place (from 0) acts."""
        return f"driver:{number + 1}-{self.seats[number].name}"

    def set_up(self) -> None:
        """
        Start all drivers; every disk's driver writes, reads back, and leaves a write in flight if it can.

        From then on an attacker looks after every step.

        Raises:
            ForeignFailure: a driver did not start, or raised.

        """
        self.host.watch()
        for number, (seat, device) in enumerate(zip(self.seats, self.masters, strict=True)):
            driver = self._asked(number, "DriverBinding.Start", lambda: self._start(seat, device))  # noqa: B023
            self.drivers.append(driver)
            if seat.kind == "block":
                device.medium[:] = OLD * len(device.medium)
                self._use(number, driver)
        self._outside()

    def _start(self, seat: Seat, device: Any) -> Any:
        pci_io: PciIo = self.pci_io(device)
        driver = seat.make(self.core, pci_io, self.guest)
        for status in (driver.supported(), driver.start()):
            if status.is_error:
                raise ForeignFailure(seat.name, "start", f"returned {status.name}")
        return driver

    def _use(self, number: int, driver: Any) -> None:
        stored = self.host.secret(f"stored-{number + 1}", BLOCK)
        flying = self.host.secret(f"flying-{number + 1}", BLOCK)
        self.secrets += [stored, flying]
        self._asked(number, "BlockIo.WriteBlocks", lambda: driver.write_blocks(FIRST_BLOCK, stored.data))
        self._asked(number, "BlockIo.ReadBlocks", lambda: driver.read_blocks(FIRST_BLOCK, 1))
        if hasattr(driver, "submit_write"):
            self._asked(number, "BlockIo2.WriteBlocksEx", lambda: driver.submit_write(FLYING_BLOCK, flying.data))

    def _asked(self, number: int, service: str, act: Callable[[], Any]) -> Any:
        with self.recorder.service(service, self.actor(number)) as call:
            try:
                result = act()
            except ForeignFailure:
                raise
            except Exception as error:
                how = f"raised {type(error).__name__}: {error}"
                raise ForeignFailure(self.actor(number), service, how) from error
            call.returns(None)
            return result

    def hand_over(self) -> Any:
        """Let the OS loader take the machine over; the choices are made meanwhile. Returns its status."""
        self.scheduler.open = True
        with self.recorder.acting(self.loader.actor):
            status = self.loader.boot()
        self.scheduler.open = False
        self._outside()
        self.host.run_devices(4)
        return status

    def _outside(self) -> None:
        """Let the outside world go on: keys, frames, whatever a device waits for."""
        for device in self.masters:
            if isinstance(device, Keyboard):
                device.press(b"\x02\0\x04\0\0\0\0\0")
            elif isinstance(device, Nic):
                device.deliver(bytes(64))
            elif isinstance(device, OwnDevice):
                device.stimulate()
