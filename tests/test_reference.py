"""The suite on the reference machine: it conforms, the same way every time, and in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sevconf.reporting.files import read_report
from sevconf.suite.locate import VARIABLE
from sevconf.verdict import Verdict

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not any((ROOT / "features").rglob("*.feature")), reason="there are no features yet")


def _run(folder: Path, hash_seed: str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    environment.pop(VARIABLE, None)
    command = [sys.executable, "-m", "sevconf", "run", "--report-dir", str(folder), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a report on the reference."""
    folder = tmp_path_factory.mktemp("reference")
    _run(folder, "1")
    return folder


def test_the_reference_passes_every_rule(folder: Path) -> None:
    """On the reference every row that has a verdict passes, and no rule is left out."""
    report = read_report(folder)
    assert {row.verdict for rule in report.rules if not rule.apart for row in rule.rows} == {Verdict.PASSED}
    assert not [breach for rule in report.rules for breach in rule.breaches]


def test_the_same_run_makes_the_same_report(folder: Path, tmp_path: Path) -> None:
    """The report does not depend on the process, on hash seeds or on how many workers there are."""
    _run(tmp_path, "2", "-n", "2")
    for name in ("report.json", "conformance.md", "junit.xml"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_run_needs_little_memory() -> None:
    """No process of a run grows beyond 200 MiB."""
    program = (
        "import resource, subprocess, sys; "
        "subprocess.run([sys.executable, '-m', 'sevconf', 'run'], stdout=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    # Measuring coverage takes memory of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV") and name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 200 * 1024


def test_every_row_is_timed(folder: Path) -> None:
    """How long each row took is kept beside the report."""
    timings = json.loads((folder / "timings.json").read_text())
    assert timings.keys() == {row.id for row in read_report(folder).rows}
