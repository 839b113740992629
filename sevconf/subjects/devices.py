"""Devices of the reference machine beside the disk, behind the contract's facets: their drivers are asked to act."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from sevconf.contract import KeyboardDriver, NetworkDriver, OwnDeviceDriver
from sevconf.contract.driver import Driver
from sevconf.model.machine import ReferenceMachine
from sevconf.model.recorder import Recorder, Service
from sevconf.trace import HostAct
from sevconf.vocabulary import EfiStatus

D = TypeVar("D", bound=Driver)


class DriverAsked(Generic[D]):
    """A driver that is asked to act as itself; each request stands in the trace as a service call of the scenario."""

    def __init__(self, recorder: Recorder, driver: Callable[[], D], actor: Callable[[], str]) -> None:
        self._recorder = recorder
        self._driver = driver
        self._actor = actor
        self._connected = False

    @contextmanager
    def asked(self, service: str, **arguments: int) -> Iterator[tuple[D, Service]]:
        """Open a request."""
        driver = self._driver()
        with self._recorder.service(service, self._actor(), **arguments) as call:
            yield driver, call

    def connect(self) -> None:
        """Start it as a platform does that connects all it has: whoever starts it later finds it started."""
        if not self._connected:
            with self._recorder.acting("core"):
                self._connected = not self.start().is_error

    def start(self) -> EfiStatus:
        """Supported, then Start."""
        if self._connected:
            return EfiStatus.SUCCESS
        with self.asked("DriverBinding.Supported") as (driver, call):
            status = call.returns(driver.supported())
        if status.is_error:
            return status
        with self.asked("DriverBinding.Start") as (driver, call):
            return call.returns(driver.start())

    def stop(self) -> EfiStatus:
        """Stop, when whoever uses the driver has let go of it."""
        self._connected = False
        driver = cast("Any", self._driver())
        if hasattr(type(driver), "let_users_go"):
            driver.let_users_go()
        with self.asked("DriverBinding.Stop") as (driver, call):
            return call.returns(driver.stop())

    def host_act(self, what: str) -> None:
        """Record what the host does to the device."""
        self._recorder.record(HostAct, by="host", what=what)


class KeyboardFacet(DriverAsked[KeyboardDriver]):
    """The keyboard and its driver."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._keyboard = machine.keyboard
        super().__init__(machine.recorder, lambda: machine.keyboard_driver, lambda: machine.keyboard_driver_actor)

    def read_key(self) -> tuple[EfiStatus, bytes]:
        """ReadKeyStroke."""
        with self.asked("SimpleTextInput.ReadKeyStroke") as (driver, call):
            status, report = driver.read_key()
            return call.returns(status), report

    def press(self, reports: bytes) -> None:
        """Press keys."""
        self.host_act(f"lets {len(reports) // 8} keys be pressed")
        self._keyboard.press(reports)


class NetworkFacet(DriverAsked[NetworkDriver]):
    """The network card and its driver."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._nic = machine.nic
        super().__init__(machine.recorder, lambda: machine.network_driver, lambda: machine.network_driver_actor)

    def transmit(self, frame: bytes) -> EfiStatus:
        """Transmit."""
        with self.asked("SimpleNetwork.Transmit", length=len(frame)) as (driver, call):
            return call.returns(driver.transmit(frame))

    def receive(self) -> tuple[EfiStatus, bytes]:
        """Receive."""
        with self.asked("SimpleNetwork.Receive") as (driver, call):
            status, frame = driver.receive()
            return call.returns(status), frame

    def deliver(self, frame: bytes) -> None:
        """Let a frame arrive."""
        self.host_act(f"lets a frame of {len(frame)} bytes arrive")
        self._nic.deliver(frame)

    def sent(self) -> tuple[bytes, ...]:
        """Return the frames on the wire."""
        return tuple(self._nic.sent)


class OwnDeviceFacet(DriverAsked[OwnDeviceDriver]):
    """A device that came with its driver."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._device = machine.own_device
        super().__init__(machine.recorder, lambda: machine.own_driver, lambda: machine.own_driver_actor)

    def work(self) -> EfiStatus:
        """Work."""
        with self.asked("OwnDevice.Work") as (driver, call):
            return call.returns(driver.work())

    def stimulate(self) -> bool:
        """Let something happen."""
        self.host_act("lets something happen to the device")
        return self._device.stimulate()
