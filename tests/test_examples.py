"""The examples do what their docstrings say: the right driver breaks nothing, each wrong one exactly its claims."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from sevconf.claims import CLAIMS
from sevconf.contract import Capability, Machine
from sevconf.judge import Setting
from sevconf.monitors import charge
from sevconf.run import Order, run
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.qemu.process import installed
from sevconf.subjects.smoke import smoke
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict
from sevconf.vocabulary import EfiStatus, MachineKind, Party, Profile

FOLDER = Path(__file__).parents[1] / "examples"
#: The rule whose monitor watches for what an example does wrong, by the claim that its docstring names.
RULES = {"T10": "DRV-01", "T21": "MEM-01", "T52": "DRV-04", "S05": "DRV-21"}
#: Claims that the storylines here do not touch: S37 is about a start that fails. `.ci/examples` judges by all rules.
BEYOND_STORIES = {"S37"}
#: The party of the examples that are no drivers of the disk.
ROLE = {
    "right_iommu_driver.py": Party.IOMMU_DRIVER,
    "tears_down_at_once.py": Party.IOMMU_DRIVER,
    "right_os_loader.py": Party.OS_LOADER,
    "gives_up.py": Party.OS_LOADER,
}
DATA = bytes(range(256)) * 80


def stopping(machine: Machine) -> None:
    """Start, write, read, stop, and start again."""
    for _ in range(2):
        assert machine.driver.start() is EfiStatus.SUCCESS
        assert machine.driver.write(7, DATA) is EfiStatus.SUCCESS
        assert machine.driver.medium(7, len(DATA) // 512) == DATA
        assert machine.driver.read(7, len(DATA) // 512) == (EfiStatus.SUCCESS, DATA)
        assert machine.driver.submit_write(60, DATA[:1024]) is EfiStatus.SUCCESS
        assert machine.driver.stop() is EfiStatus.SUCCESS


def handing_over(machine: Machine) -> None:
    """Start, write, hand the machine over."""
    assert machine.driver.start() is EfiStatus.SUCCESS
    assert machine.driver.write(0, DATA[:512]) is EfiStatus.SUCCESS
    assert machine.loader.boot() is EfiStatus.SUCCESS
    machine.host.run_devices(50)


def handing_over_in_flight(machine: Machine) -> None:
    """Hand the machine over while a write is in flight, behind another one that was."""
    assert machine.driver.start() is EfiStatus.SUCCESS
    for lba in (1, 9):
        assert machine.driver.submit_write(lba, DATA[:2048]) is EfiStatus.SUCCESS
    assert machine.driver.medium(1, 4) == DATA[:2048]
    assert machine.loader.boot() is EfiStatus.SUCCESS
    machine.host.run_devices(50)


def exchanging(machine: Machine) -> None:
    """Start, send and receive, stop, and start again."""
    for _ in range(2):
        assert machine.network.start() is EfiStatus.SUCCESS
        for number in range(20):
            frame = DATA[number : number + 700]
            assert machine.network.transmit(frame) is EfiStatus.SUCCESS
            assert machine.network.sent()[-1] == frame
            machine.network.deliver(frame)
            machine.host.run_devices(2)
            assert machine.network.receive() == (EfiStatus.SUCCESS, frame)
        assert machine.network.receive() == (EfiStatus.NOT_READY, b"")
        assert machine.network.transmit(DATA) is EfiStatus.INVALID_PARAMETER
        assert machine.network.stop() is EfiStatus.SUCCESS


def handing_over_network(machine: Machine) -> None:
    """Start, hand the machine over, and let frames arrive."""
    assert machine.network.start() is EfiStatus.SUCCESS
    machine.network.deliver(DATA[:700])
    machine.host.run_devices(2)
    assert machine.network.receive() == (EfiStatus.SUCCESS, DATA[:700])
    assert machine.loader.boot() is EfiStatus.SUCCESS
    machine.network.deliver(DATA[:700])
    machine.host.run_devices(50)


def living_with_own_device(machine: Machine) -> None:
    """Start, work, be told of something, stop; twice."""
    for _ in range(2):
        assert machine.own_device.start() is EfiStatus.SUCCESS
        assert machine.own_device.work() is EfiStatus.SUCCESS
        machine.own_device.stimulate()
        machine.host.run_devices(2)
        assert machine.own_device.stop() is EfiStatus.SUCCESS


def handing_over_own_device(machine: Machine) -> None:
    """Start, work, hand the machine over, and let something happen."""
    assert machine.own_device.start() is EfiStatus.SUCCESS
    assert machine.own_device.work() is EfiStatus.SUCCESS
    assert machine.loader.boot() is EfiStatus.SUCCESS
    machine.own_device.stimulate()
    machine.host.run_devices(9)


Stories: TypeAlias = tuple[Callable[[Machine], None], ...]

#: What a driver goes through; the last one ends with the OS.
BLOCK_STORIES: Stories = (stopping, handing_over_in_flight, handing_over)
NETWORK_STORIES: Stories = (exchanging, handing_over_network)
DEVICE_STORIES: Stories = (living_with_own_device, handing_over_own_device)


def stories(target: PythonTarget) -> Stories:
    """Return the stories for the kind of a driver."""
    if Capability.DEVICE_DRIVER in target.capabilities:
        return DEVICE_STORIES
    return NETWORK_STORIES if Capability.NETWORK_DRIVER in target.capabilities else BLOCK_STORIES


def examples() -> dict[str, tuple[str, set[str]]]:
    """Return the examples by file: the last class in it, and the claims that its docstring says it breaks."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        breaks = re.search(r"^Breaks: (.+)$", ast.get_docstring(tree) or "", re.MULTILINE)
        assert breaks is not None, f"{path.name} does not say what it breaks"
        claims = set() if breaks[1] == "nothing" else set(breaks[1].split(", "))
        found[path.name] = [node.name for node in tree.body if isinstance(node, ast.ClassDef)][-1], claims
    return found


def device_of(file: str) -> str:
    """Return the device that an example's docstring says to name with --device, or nothing."""
    named = re.search(r"--device (\S+)`", (FOLDER / file).read_text(encoding="utf-8"))
    return "" if named is None else named[1]


def drivers() -> list[str]:
    """Return the files of the examples that are drivers of the disk."""
    return [file for file in examples() if ROLE.get(file) is None]


@pytest.fixture(scope="module", params=drivers())
def example(request: pytest.FixtureRequest) -> Iterator[tuple[PythonTarget, set[str]]]:
    """Return an example as a target, with the claims that it breaks."""
    name, claims = examples()[request.param]
    device = device_of(request.param)
    if device and not installed() and not os.environ.get("SEVCONF_REQUIRE_QEMU"):
        pytest.skip("there is no QEMU")
    target = PythonTarget(f"{FOLDER / request.param}:{name}", device=device)
    yield target, claims
    target.close()


def test_example_breaks_what_it_says(example: tuple[PythonTarget, set[str]]) -> None:
    """Over all storylines and kinds of machine the monitors charge the rules of the named claims, and no other."""
    target, claims = example
    broken = set()
    for kind in target.kinds:
        for story in stories(target):
            machine = target.open(kind, 11)
            story(machine)
            broken |= {(kind, breach.rule) for breach in charge(machine.trace, target.parties)}
            machine.close()
    assert broken == {(kind, RULES[claim]) for kind in target.kinds for claim in claims - BEYOND_STORIES}


def test_example_passes_the_smoke_test(example: tuple[PythonTarget, set[str]]) -> None:
    """Every example can be judged."""
    smoke(example[0])


@pytest.mark.parametrize("file", ROLE)
def test_example_of_another_role_breaks_what_it_says(file: str) -> None:
    """Judged by all rules of its party, the claims that its docstring names do not hold, and all others do."""
    name, claims = examples()[file]
    catalogue = load(suite_root())
    rules = frozenset(rule.id for rule in catalogue.rules.values() if rule.party is ROLE[file])
    target = PythonTarget(f"{FOLDER / file}:{name}")
    try:
        smoke(target)
        report = run(Setting(catalogue, target, Profile.OVMF_SEV, 0, rules), Order(f"{FOLDER / file}:{name}"))
    finally:
        target.close()
    assert target.parties == {ROLE[file]}
    assert {claim.id for claim in report.claims if claim.verdict is Verdict.NONCONFORMING} == claims
    assert not {row.id for row in report.rows if row.verdict in {Verdict.ERROR, Verdict.INCONCLUSIVE}}


def test_claims_and_table_are_right() -> None:
    """Named claims exist, and the README's table has every example with its claims."""
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    for file, (name, claims) in examples().items():
        assert claims <= set(CLAIMS), file
        row = next(line for line in table.splitlines() if f"`{file}:{name}`" in line)
        assert row.rstrip("| ").split("| ")[-1].strip() == (", ".join(sorted(claims)) or "nothing")


def test_seed_decides_the_trace(example: tuple[PythonTarget, set[str]]) -> None:
    """The same seed gives the same trace, in every worker, but on devices that work in real time."""
    traces = []
    if not example[0].identity.repeats:
        return
    for _ in range(2):
        machine = example[0].open(MachineKind.SEV, 5)
        stories(example[0])[-1](machine)
        traces.append(tuple(machine.trace))
        machine.close()
    assert traces[0] == traces[1]
