"""
What a scenario costs beside its body: rows of a trivial feature through the plugin, against a bare pytest function.

Both open a reference machine for each row and ask its core for the memory map; both go through pytest in this process,
with the same plugins of pytest's own left out. What the plugin adds is Gherkin, the trace's hash, the monitors, and the
record. The best of several rounds; only the ratio means anything on another machine.
"""

import os
import tempfile
import time
from pathlib import Path

import pytest
from tabulate import tabulate

from sevconf.judge import Setting
from sevconf.run import _IDLE, Order, _shielded, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.suite.locate import VARIABLE
from sevconf.verdict import ExitCode
from sevconf.vocabulary import Profile

ROWS = 400
ROUNDS = 3

FEATURE = """
@MEM
Feature: A trivial feature

  @MEM-01 @core @uefi @T41 @on-none @needs-core-services
  Rule: The memory map can be asked for
    Source: none.

    @MEM-01.1
    Scenario Outline: Somebody asks for the memory map
      Given a machine
      When the memory map is asked for
      Then it is told, time <number>

      Examples:
        | number |
"""
STEPS = '''
"""Sentences of a trivial feature."""

from pytest_bdd import given, parsers, then, when

from sevconf.vocabulary import EfiStatus


@given("a machine", target_fixture="core")
def a_machine(machine):
    return machine.core


@when("the memory map is asked for", target_fixture="answer_")
def is_asked_for(core):
    return core.memory_map()


@then(parsers.parse("it is told, time {number:d}"))
def it_is_told(answer_, number):
    if answer_[0] is not EfiStatus.SUCCESS:
        raise AssertionError(number)
'''
BARE = f'''
"""The same body without Gherkin."""

import pytest

from sevconf.subjects.reference import ReferenceTarget
from sevconf.vocabulary import EfiStatus, MachineKind

TARGET = ReferenceTarget()


@pytest.mark.parametrize("number", range({ROWS}))
def test_it_is_told(number):
    machine = TARGET.open(MachineKind.NONE, number)
    status, _ = machine.core.memory_map()
    assert status is EfiStatus.SUCCESS, number
    machine.close()
'''


def plant(root: Path) -> None:
    """Write both into a folder, and make the trivial feature the suite."""
    (root / "features" / "memory_services").mkdir(parents=True)
    (root / "steps").mkdir()
    lines = "".join(f"        | {number} |\n" for number in range(ROWS))
    (root / "features" / "memory_services" / "trivial.feature").write_text(FEATURE + lines, encoding="utf-8")
    (root / "steps" / "trivial.py").write_text(STEPS, encoding="utf-8")
    (root / "test_bare.py").write_text(BARE, encoding="utf-8")
    os.environ[VARIABLE] = str(root)


def through_the_plugin(root: Path) -> float:
    """Run the feature; returns seconds."""
    suite = load(root)
    setting = Setting(suite, ReferenceTarget(), Profile.OVMF_SEV, 0, frozenset(suite.rules))
    start = time.perf_counter()
    report = run(setting, Order("reference"))
    taken = time.perf_counter() - start
    if report.exit_code() != ExitCode.CONFORMING or len(report.rows) != ROWS:
        raise ValueError(f"expected {ROWS} rows that pass, not {len(report.rows)} with exit code {report.exit_code()}")
    return taken


def bare(root: Path) -> float:
    """Run the function; returns seconds."""
    left_out = [part for name in _IDLE for part in ("-p", f"no:{name}")]
    arguments = [str(root / "test_bare.py"), "-c", os.devnull, f"--rootdir={root}", "--noconftest", *left_out]
    start = time.perf_counter()
    with _shielded():
        code = pytest.main([*arguments, "--import-mode=importlib"])
    taken = time.perf_counter() - start
    if code is not pytest.ExitCode.OK:
        raise ValueError(f"expected the bare function to pass, not {code!r}")
    return taken


def main() -> None:
    """Print rows a second, milliseconds a row, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plant(root)
        pairs = [(bare(root), through_the_plugin(root)) for _ in range(ROUNDS)]
    function, scenario = (min(times) for times in zip(*pairs, strict=True))
    table = [
        [name, f"{ROWS / seconds:.0f}", f"{1000 * seconds / ROWS:.2f}", f"{seconds / function:.1f}"]
        for name, seconds in (("bare pytest function", function), ("scenario through the plugin", scenario))
    ]
    headers = [f"{ROWS} rows", "rows / s", "ms / row", "x bare"]
    print(tabulate(table, headers=headers, disable_numparse=True, colalign=("left", *["right"] * 3)))


if __name__ == "__main__":
    main()
