"""Starts that fail: everything that the driver took is named, and nothing that it gave back."""

import pytest

from sevconf.faults import CATALOGUE
from sevconf.model.parts import Parts
from sevconf.monitors.half_start import HalfStarted
from sevconf.subjects.reference import ReferenceTarget
from sevconf.vocabulary import EfiStatus, MachineKind


def _observed(parts: Parts, call: int) -> list[str]:
    """Let that call of a start fail, and return what the monitor says."""
    machine = ReferenceTarget(parts=parts).open(MachineKind.SEV, 0)
    machine.driver.fail_call(call)
    assert machine.driver.start() is EfiStatus.OUT_OF_RESOURCES
    return [breach.observed for breach in HalfStarted().breaches(machine.trace)]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_the_reference_leaves_nothing(call: int) -> None:
    """Whichever call fails, the reference driver gives back what it took."""
    assert not _observed(Parts(), call)


def test_a_start_that_succeeds_may_keep_what_it_took() -> None:
    """Only failed starts are looked at."""
    machine = ReferenceTarget().open(MachineKind.SEV, 0)
    assert machine.driver.start() is EfiStatus.SUCCESS
    assert not HalfStarted().breaches(machine.trace)


@pytest.mark.parametrize(
    ("fault", "call", "words"),
    [
        ("keeps-ring-mapped", 3, "mapping M1 is live"),
        ("keeps-ring-mapped", 3, "memory of PciIo.AllocateBuffer is not given back"),
        ("keeps-ring-memory", 2, "memory of PciIo.AllocateBuffer is not given back"),
        ("stays-registered", 2, "is registered"),
        ("runs-too-early", 3, "device:disk runs"),
        ("takes-record-first", 2, "memory of AllocatePool is not given back"),
    ],
)
def test_what_is_left_is_named(fault: str, call: int, words: str) -> None:
    """A breach says what was left: mapped, running, registered or allocated."""
    (observed,) = _observed(CATALOGUE[fault].parts, call)
    assert words in observed
