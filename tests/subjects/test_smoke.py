"""The smoke test passes what can be judged, and says who failed where nothing can."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sevconf.errors import CannotStart, ForeignFailure
from sevconf.model.boot_services import Core
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.parts import Parts
from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.reference import ReferenceTarget
from sevconf.subjects.registry import resolve
from sevconf.subjects.smoke import smoke
from sevconf.vocabulary import EfiStatus, MachineKind, Party, Revision

MISBEHAVING = Path(__file__).parent / "python" / "drivers" / "misbehaving.py"


@pytest.mark.parametrize("name", ["reference", "shuffled", "faulty:does-not-halt", "faulty:passes-host-address"])
def test_own_machines_pass(name: str) -> None:
    """The reference, `shuffled` and machines whose bug shows on some kinds only can be judged."""
    smoke(resolve(name))


class Refuses(DiskDriver):
    """Does not start."""

    def start(self) -> EfiStatus:
        """Refuse."""
        return EfiStatus.DEVICE_ERROR


class Forgets(DiskDriver):
    """Writes nothing."""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Lie."""
        del lba, data
        return EfiStatus.SUCCESS


class Deaf(Core):
    """Notifies nobody of the exit."""

    def _notify_exit(self) -> None:
        pass


FAILING = [
    (replace(Parts(), driver=Refuses), "driver:Refuses", "start", "returns EFI_DEVICE_ERROR"),
    (
        replace(Parts(), driver=Forgets),
        "driver:Forgets",
        "write block 5",
        "returns, and something else lies on the medium",
    ),
    (replace(Parts(), core=Deaf), "core", "end boot services", "lets no exit handler run, though there are 4"),
]


@pytest.mark.parametrize(("parts", "culprit", "act", "how"), FAILING, ids=[culprit for _, culprit, _, _ in FAILING])
def test_who_failed(parts: Parts, culprit: str, act: str, how: str) -> None:
    """What fails on every kind of machine is told with its culprit; of the suite's own machines it is an error."""
    with pytest.raises(ForeignFailure) as caught:
        smoke(ReferenceTarget("mine", parts))
    assert (caught.value.culprit, caught.value.act) == (culprit, act)
    assert caught.value.how == f"{how} (on every kind of machine: none, sev, vtd-keep, vtd-open)"
    with pytest.raises(CannotStart, match=f"reference: {culprit} "):
        smoke(ReferenceTarget("reference", parts))


@pytest.mark.parametrize(
    ("name", "how"),
    [("Raises", "raises ValueError"), ("ExitsAtOnce", "exit code 7"), ("Hangs", "hung past 0.3 s"), ("Scribbles", "")],
)
def test_foreign_failure_comes_through(name: str, how: str) -> None:
    """A driver that raises, dies or hangs fails the smoke test; one that only misbehaves in Stop does not."""
    target = PythonTarget(f"{MISBEHAVING}:{name}", limits=Limits(wall=0.3))
    try:
        if how:
            with pytest.raises(ForeignFailure, match=how):
                smoke(target)
        else:
            smoke(target)
    finally:
        target.close()


class Empty:
    """A target whose machines do nothing."""

    identity = ReferenceTarget().identity
    parties = frozenset({Party.CORE})
    kinds = frozenset({MachineKind.NONE})
    capabilities: frozenset[object] = frozenset()
    revision = Revision.UEFI_2_10
    open: Callable[..., object] = ReferenceTarget().open


def test_empty_trace_is_an_error() -> None:
    """A machine that leaves no trace shows nothing."""
    with pytest.raises(CannotStart, match="a machine of kind none leaves no trace"):
        smoke(Empty())  # type: ignore[arg-type]
