"""Drivers that mean harm, one by one through the command line: each is told, in bounded time, and the run goes on."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sevconf.reporting.files import read_report
from sevconf.verdict import Verdict

DRIVERS = Path(__file__).parent / "drivers" / "hostile.py"
#: Seconds that a scenario may take, and that a whole run of these rules may.
TIMEOUT, BOUND = 3, 120
#: Rules to run: one in which the driver writes, and one that concerns it and never needs that.
RULES = ("DRV-34", "DRV-41")

HUNG = r"hung past 1 s"
FORKER = "stops or kills the process that makes its workers"
#: What each does, and how that is told.
HOSTILE = {
    "Hangs": HUNG,
    "Recurses": "raises RecursionError: maximum recursion depth exceeded",
    "RaisesBase": "raises BaseException: out",
    "Exits": "raises SystemExit: 0",
    "ExitsAtOnce": r"killed its worker \(exit code 0\)",
    "ClosesOutput": "closes its output",
    "ClosesAll": "cuts the line between its worker and the suite",
    "Floods": "fills its output, at its limit of 1024 KiB",
    "FloodsForEver": HUNG,
    "Hogs": rf"raises MemoryError .*, at its limit of 1024 MiB of memory|{HUNG}|hung past {TIMEOUT} s",
    "Patches": "changes the suite's own code in its worker: .*Pool.free",
    "Forks": "leaves processes behind",
    "ForksWithoutEnd": HUNG,
    "KillsItself": r"killed its worker \(signal SIGKILL\)",
    "KillsItsGroup": r"killed its worker \(signal SIGTERM\)",
    "KillsItsParent": FORKER,
    "StopsItsParent": FORKER,
    "SignalsItself": "raises KeyboardInterrupt",
}


def _processes() -> set[str]:
    """Return processes that run this file's drivers, or were made by one that does."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"SEVCONF_TEST=hostile" in environment:
            found.add(entry.name)
    return found


@pytest.mark.parametrize(("name", "how"), HOSTILE.items(), ids=HOSTILE)
def test_harm_is_told_and_the_run_goes_on(name: str, how: str, tmp_path: Path) -> None:
    """Each row in which a driver does its harm is target-failed, the report is whole, and no process is left."""
    command = [sys.executable, "-m", "sevconf", "run", f"--target={DRIVERS}:{name}", f"--timeout={TIMEOUT}"]
    command += [f"--rule={rule}" for rule in RULES] + [f"--report-dir={tmp_path}"]
    began = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=BOUND, env={"SEVCONF_TEST": "hostile"}
    )
    assert time.monotonic() - began < BOUND
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"smoke test failed: driver:{name}: ")
    assert "Traceback" not in done.stderr
    rows = {row.id: row for row in read_report(tmp_path).rows}
    harmed = [row for row in rows.values() if row.id.startswith("DRV-34.")]
    assert len(harmed) == 2
    for row in harmed:
        assert (row.verdict, row.culprit) == (Verdict.TARGET_FAILED, f"driver:{name}")
        assert re.match(how, row.observed), row.observed
    assert {row.verdict for row in rows.values() if row.id.startswith("DRV-41.")} == {Verdict.PASSED}
    assert f"{name} does not conform" in done.stdout
    deadline = time.monotonic() + 10
    while _processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _processes()


def test_what_hung_in_the_smoke_test_gets_less_time(tmp_path: Path) -> None:
    """A driver that hangs costs the whole limit once, then a tenth a row, and that is said; workers know of it."""
    command = [sys.executable, "-m", "sevconf", "run", f"--target={DRIVERS}:Hangs", "--rule=DRV-34"]
    done = subprocess.run(
        [*command, f"--report-dir={tmp_path}", "-n", "2"], capture_output=True, text=True, check=False
    )
    assert "hung past 10 s" in done.stderr
    assert "as it hung there, the rules give it 1 s a scenario, not 10 s" in done.stderr
    assert {row.observed.split(",")[0] for row in read_report(tmp_path).rows} == {"hung past 1 s"}


@pytest.mark.parametrize("text", ["0", "-1", "soon"])
def test_a_limit_is_a_number_of_seconds(text: str) -> None:
    """Any other limit is wrong use."""
    command = [sys.executable, "-m", "sevconf", "run", f"--timeout={text}", "--rule=DRV-08"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--timeout" in done.stderr
