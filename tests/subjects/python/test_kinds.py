"""A vendor's driver of any kind is judged on its own device, and leaves the same trace here and in a worker."""

from collections.abc import Callable

import pytest

from sevconf.contract import Capability, Machine
from sevconf.errors import ForeignFailure, Unsupported
from sevconf.model.drivers.keyboard import KeyboardDriver, TransferKeyboardDriver
from sevconf.model.drivers.nic import NetworkDriver
from sevconf.model.parts import Parts
from sevconf.subjects.python import words
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.reference import ReferenceTarget
from sevconf.subjects.smoke import smoke
from sevconf.trace.codec import encode
from sevconf.vocabulary import EfiStatus, MachineKind

Make = Callable[..., PythonTarget]
KINDS = [MachineKind.NONE, MachineKind.SEV]
KEYBOARD = f"{TransferKeyboardDriver.__module__}:{TransferKeyboardDriver.__name__}"
NETWORK = f"{NetworkDriver.__module__}:{NetworkDriver.__name__}"


def type_and_stop(machine: Machine) -> list[object]:
    """Take a keyboard's driver through its life."""
    secret = machine.host.keystrokes("typed", 2)
    heard: list[object] = [secret, machine.keyboard.start(), machine.keyboard.read_key()]
    machine.keyboard.press(secret.data)
    machine.host.run_devices(6)
    return [*heard, machine.keyboard.read_key(), machine.keyboard.stop()]


def exchange_and_stop(machine: Machine) -> list[object]:
    """Take a network driver through its life."""
    heard: list[object] = [machine.network.start(), machine.network.transmit(b"frame"), machine.network.sent()]
    machine.network.deliver(b"answer")
    machine.host.run_devices(2)
    return [*heard, machine.network.receive(), machine.network.receive(), machine.network.stop()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "parts", "play"),
    [
        (KEYBOARD, Parts(keyboard_driver=TransferKeyboardDriver), type_and_stop),
        (NETWORK, Parts(network_driver=NetworkDriver), exchange_and_stop),
    ],
)
def test_same_here_and_there(
    target: Make, name: str, parts: Parts, play: Callable[[Machine], list[object]], kind: MachineKind
) -> None:
    """The same driver gives the same answers and the same trace, byte for byte."""
    here = ReferenceTarget("reference", parts).open(kind, 7)
    there = target(name).open(kind, 7)
    assert play(there) == play(here)
    there.close()
    assert list(encode(there.trace)) == list(encode(here.trace))


@pytest.mark.parametrize(
    ("name", "has"), [(KEYBOARD, {Capability.KEYBOARD_DRIVER}), (NETWORK, {Capability.NETWORK_DRIVER})]
)
def test_capabilities_of_a_kind(target: Make, name: str, has: set[Capability]) -> None:
    """A driver is judged on its own device: the drivers of the others, and choices between drivers, are not its own."""
    devices = {c for c in Capability if c.value.endswith("-driver")}
    made = target(name)
    assert made.capabilities & devices == has
    assert not made.capabilities & {
        Capability.WRITE_IN_FLIGHT,
        Capability.HANDLER_TPL,
        Capability.KEYBOARD_TRANSFERS,
    }
    smoke(made)
    machine = made.open(MachineKind.NONE, 0)
    with pytest.raises(Unsupported, match="how a keyboard driver maps its transfers"):
        machine.setup.keyboard_transfers()
    machine.close()


@pytest.mark.parametrize(
    ("facet", "method", "arguments", "act"),
    [
        ("keyboard", "start", {}, "start"),
        ("keyboard", "read_key", {}, "read a key"),
        ("network", "transmit", {"frame": bytes(60)}, "send a frame of 60 bytes"),
        ("network", "receive", {}, "receive a frame"),
        ("network", "deliver", {"frame": b""}, "be there during network.deliver"),
    ],
)
def test_what_a_driver_is_asked(facet: str, method: str, arguments: dict[str, object], act: str) -> None:
    """Each request has its words."""
    assert words.act(facet, method, arguments) == act


class RefusesKeyboard(KeyboardDriver):
    """Does not start."""

    def start(self) -> EfiStatus:
        """Refuse."""
        return EfiStatus.DEVICE_ERROR


class NoKeyboard(KeyboardDriver):
    """Does not support its device."""

    def supported(self) -> EfiStatus:
        """Refuse."""
        return EfiStatus.UNSUPPORTED


class ReadsNoKey(KeyboardDriver):
    """Never has a key."""

    def read_key(self) -> tuple[EfiStatus, bytes]:
        """Have none."""
        return EfiStatus.NOT_READY, b""


class RefusesNetwork(NetworkDriver):
    """Does not start."""

    def start(self) -> EfiStatus:
        """Refuse."""
        return EfiStatus.DEVICE_ERROR


class SendsNothing(NetworkDriver):
    """Sends nothing."""

    def transmit(self, frame: bytes) -> EfiStatus:
        """Lie."""
        del frame
        return EfiStatus.SUCCESS


class ReceivesNothing(NetworkDriver):
    """Never has a frame."""

    def receive(self) -> tuple[EfiStatus, bytes]:
        """Have none."""
        return EfiStatus.NOT_READY, b""


@pytest.mark.parametrize(
    ("parts", "culprit", "act"),
    [
        (Parts(keyboard_driver=RefusesKeyboard), "driver:RefusesKeyboard", "start"),
        (Parts(keyboard_driver=NoKeyboard), "driver:NoKeyboard", "start"),
        (Parts(keyboard_driver=ReadsNoKey), "driver:ReadsNoKey", "read a key"),
        (Parts(network_driver=RefusesNetwork), "driver:RefusesNetwork", "start"),
        (Parts(network_driver=SendsNothing), "driver:SendsNothing", "send a frame"),
        (Parts(network_driver=ReceivesNothing), "driver:ReceivesNothing", "receive a frame"),
    ],
)
def test_smoke_test_tells_the_driver(parts: Parts, culprit: str, act: str) -> None:
    """A driver that gets nowhere on any kind of machine fails the smoke test, with its name and what it was asked."""
    with pytest.raises(ForeignFailure) as caught:
        smoke(ReferenceTarget("mine", parts))
    assert (caught.value.culprit, caught.value.act) == (culprit, act)
