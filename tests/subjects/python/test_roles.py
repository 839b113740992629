"""A vendor's IOMMU driver and OS loader: what they are given, what is said of one that misbehaves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sevconf.contract import Capability, Machine
from sevconf.errors import ForeignFailure, Unsupported, UsageError
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.smoke import smoke
from sevconf.trace import CBitChanged, EventCreated, MappingEnded, MappingMade
from sevconf.vocabulary import CBit, DmaOperation, EfiStatus, Gva, MachineKind, Party, Tpl

Make = Callable[..., PythonTarget]
ROLES = Path(__file__).parent / "drivers" / "other_roles.py"
EXAMPLES = Path(__file__).parents[3] / "examples"
READ = DmaOperation.READ


def play(machine: Machine) -> None:
    """Map, unmap, and hand the machine over."""
    _, buffer = machine.core.allocate_pages(1)
    mapped = machine.dma.map(READ, buffer, 100)
    machine.dma.unmap(mapped.mapping)
    machine.loader.boot()


MISDEEDS = [
    ("DoesNotStart", "iommu-driver:DoesNotStart", "returns EFI_NOT_READY"),
    ("RaisesInMap", "iommu-driver:RaisesInMap", "raises RuntimeError: no window (other_roles.py:"),
    (
        "MapsGarbage",
        "iommu-driver:MapsGarbage",
        "returns a value of type Mapped from map, which must be a Mapped of status: a member of EfiSt",
    ),
    ("OpensNowhere", "iommu-driver:OpensNowhere", "asks for 1 pages from 0x400000000000, which are no mapped pages"),
    ("OpensHalfAPage", "iommu-driver:OpensHalfAPage", "asks for 1 pages from 0x200800, which are no mapped pages"),
    ("HangsInUnmap", "iommu-driver:HangsInUnmap", "hung past 0.5 s"),
    ("Pretends", "os-loader:Pretends", "returns EFI_SUCCESS, and boot services are still there"),
    ("RaisesInBoot", "os-loader:RaisesInBoot", "raises OSError: no kernel (other_roles.py:"),
]


@pytest.mark.parametrize(("name", "culprit", "how"), MISDEEDS, ids=[name for name, _, _ in MISDEEDS])
def test_misdeeds_are_told_by_role(target: Make, name: str, culprit: str, how: str) -> None:
    """Whatever foreign code does, the culprit is named by its role, and the deed in words."""
    machine = target(f"{ROLES}:{name}", wall=0.5).open(MachineKind.SEV, 1)
    with pytest.raises(ForeignFailure) as caught:
        play(machine)
    assert caught.value.culprit == culprit
    assert how in caught.value.how
    machine.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Direct", "iommu-driver lets driver:DiskDriver fail: it returns EFI_DEVICE_ERROR"),
        ("Loader", "os-loader ends with EFI_ABORTED"),
    ],
)
def test_smoke_names_the_class_that_is_judged(target: Make, name: str, said: str) -> None:
    """A class in whose way our own parts fail does not pass the smoke test, and is the one to be blamed."""
    with pytest.raises(ForeignFailure) as caught:
        smoke(target(f"{ROLES}:{name}"))
    assert said in f"{caught.value.culprit} {caught.value.how}"


def test_a_loader_that_leaves(target: Make) -> None:
    """A loader may fail: its status is told, and boot services are there."""
    machine = target(f"{ROLES}:Loader").open(MachineKind.NONE, 1)
    assert machine.loader.boot() is EfiStatus.ABORTED
    assert machine.core.allocate_pages(1)[0] is EfiStatus.SUCCESS
    machine.close()


def test_what_a_role_is_judged_as(target: Make) -> None:
    """An IOMMU driver is judged on SEV machines, at its own level; a loader on all, and it chooses no levels."""
    iommu, loader = target(f"{ROLES}:Direct"), target(f"{ROLES}:Loader")
    assert iommu.parties == {Party.IOMMU_DRIVER}
    assert loader.parties == {Party.OS_LOADER}
    assert iommu.kinds == {MachineKind.SEV}
    assert loader.kinds == set(MachineKind)
    assert iommu.capabilities == frozenset(Capability)
    assert frozenset(Capability) - loader.capabilities == {Capability.HANDLER_TPL, Capability.KEYBOARD_TRANSFERS}


def test_mappings_end_by_unmap_and_by_c_bits(target: Make) -> None:
    """A successful Unmap is recorded, one of a token that is not live is not; a teardown shows by its C-bits."""
    machine = target(f"{EXAMPLES / 'right_iommu_driver.py'}:RightIommuDriver").open(MachineKind.SEV, 1)
    _, buffer = machine.core.allocate_pages(2)
    first = machine.dma.map(READ, buffer, 100)
    second = machine.dma.map(READ, Gva(buffer + 4096), 100)
    assert machine.dma.unmap(first.mapping) is EfiStatus.SUCCESS
    assert machine.dma.unmap(first.mapping) is EfiStatus.INVALID_PARAMETER
    assert machine.loader.boot() is EfiStatus.SUCCESS
    made = list(machine.trace.of(MappingMade))
    assert [ended.mapping for ended in machine.trace.of(MappingEnded)] == [made[0].mapping]
    closed = [entry for entry in machine.trace.of(CBitChanged) if entry.cbit is CBit.SET]
    assert (closed[-1].gpa, closed[-1].actor) == (second.device_address, "iommu-driver:RightIommuDriver")
    machine.close()


def test_an_iommu_driver_must_be_built_from_what_it_is_given(target: Make, tmp_path: Path) -> None:
    """A class whose making wants something else does not fit."""
    text = "from other_roles import Direct\nclass Wide(Direct):\n    def __init__(self, pci_io): ...\n"
    (tmp_path / "other_roles.py").write_text(ROLES.read_text())
    (tmp_path / "wide.py").write_text(text)
    with pytest.raises(UsageError, match=r"Wide must be built with the arguments \(boot_services, memory, mem_encrypt"):
        target(f"{tmp_path}/wide.py:Wide")


@pytest.mark.parametrize(
    ("file", "own", "other"),
    [
        ("right_iommu_driver.py:RightIommuDriver", Tpl.CALLBACK, Tpl.NOTIFY),
        ("tears_down_at_once.py:TearsDownAtOnce", Tpl.NOTIFY, Tpl.CALLBACK),
    ],
)
def test_rows_of_an_iommu_drivers_own_level_run(target: Make, file: str, own: Tpl, other: Tpl) -> None:
    """Its level is observed: a row about it goes on, one about another level is unsupported, and says why."""
    machine = target(f"{EXAMPLES / file}").open(MachineKind.SEV, 1)
    machine.setup.iommu_handler(own)
    with pytest.raises(Unsupported, match=f"is queued at {own}, and this row is about {other}"):
        machine.setup.iommu_handler(other)
    machine.setup.driver_handler(Tpl.NOTIFY)
    machine.driver.start()
    handlers = {e.actor.partition(":")[0]: e.notify_tpl for e in machine.trace.of(EventCreated) if e.group is not None}
    assert handlers == {"iommu-driver": own, "driver": Tpl.NOTIFY}
    machine.close()


def test_what_is_another_iommu_driver_is_refused(target: Make) -> None:
    """A scenario cannot put another IOMMU driver into the place of the foreign one, or judge it without a handler."""
    machine = target(f"{ROLES}:Direct").open(MachineKind.SEV, 1)
    choices: tuple[Callable[[], None], ...] = (
        lambda: machine.setup.iommu_handler(Tpl.CALLBACK),
        machine.setup.opening_iommu,
        lambda: machine.setup.iommu_variant("tracing"),
        lambda: machine.setup.deferring_driver(tpl=Tpl.CALLBACK),
    )
    for choice in choices:
        with pytest.raises(Unsupported):
            choice()
    machine.close()
