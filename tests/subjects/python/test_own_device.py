"""A vendor's own device runs in its driver's worker, and what goes wrong in it is the driver's failure."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sevconf.contract import Capability, Machine
from sevconf.errors import ForeignFailure, UsageError
from sevconf.model.drivers.copier import CopierDriver
from sevconf.model.parts import Parts
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.reference import ReferenceTarget
from sevconf.subjects.smoke import smoke
from sevconf.trace.codec import encode
from sevconf.vocabulary import EfiStatus, MachineKind, Party

Make = Callable[..., PythonTarget]
FILE = Path(__file__).parent / "drivers" / "own_devices.py"
COPIER = f"{CopierDriver.__module__}:{CopierDriver.__name__}"


def play(machine: Machine) -> list[object]:
    """Take a driver and its device through their life."""
    heard: list[object] = [machine.own_device.start(), machine.own_device.work()]
    machine.own_device.stimulate()
    machine.host.run_devices(3)
    return [*heard, machine.own_device.stop()]


@pytest.mark.parametrize("kind", MachineKind)
def test_same_here_and_there(target: Make, kind: MachineKind) -> None:
    """The same driver and device leave the same trace, byte for byte, in a worker."""
    here = ReferenceTarget("reference", Parts(own_driver=CopierDriver)).open(kind, 7)
    there = target(COPIER).open(kind, 7)
    assert play(there) == play(here) == [EfiStatus.SUCCESS] * 3
    there.close()
    assert list(encode(there.trace)) == list(encode(here.trace))


def test_it_is_judged_as_a_driver_of_its_own_device(target: Make) -> None:
    """It is the party `driver`, without the other kinds' capabilities, and passes the smoke test."""
    made = target(COPIER)
    assert made.parties == {Party.DRIVER}
    assert Capability.DEVICE_DRIVER in made.capabilities
    assert not made.capabilities & {Capability.BLOCK_DRIVER, Capability.NETWORK_DRIVER, Capability.KEYBOARD_DRIVER}
    smoke(made)


@pytest.mark.parametrize(
    ("name", "act", "how"),
    [
        ("RaisesInDevice", "work", r"raises RuntimeError: the engine is stuck \(own_devices.py:\d+\)"),
        ("HangsInDevice", "hear of what happens outside", "hung past 2 s"),
        ("ReadsText", "start", "returns 'full' from register_read, which must be an int"),
        ("ReadsTooMuch", "", "moves 1073741824 bytes at once"),
    ],
)
def test_a_device_fails_as_its_driver(target: Make, name: str, act: str, how: str) -> None:
    """What the model raises, returns wrongly or waits for is told with the driver's name."""
    machine = target(f"{FILE}:{name}", wall=2.0).open(MachineKind.NONE, 1)
    with pytest.raises(ForeignFailure, match=how) as caught:
        play(machine)
    assert caught.value.culprit == f"driver:{name}"
    assert act in caught.value.act


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("NoDevice", "expected the class of its device's model as device of NoDevice, not 'copier'"),
        ("HalfDevice", r"HalfEngine has no method step\(\)"),
    ],
)
def test_a_device_that_does_not_fit_is_wrong_use(target: Make, name: str, why: str) -> None:
    """Before the run it is said what the model lacks."""
    with pytest.raises(UsageError, match=why):
        target(f"{FILE}:{name}")
