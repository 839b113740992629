"""
What a run costs from the outside: `sevconf --help` and `sevconf run`, against `python -c pass`.

Each is a process of its own, the best of several; memory is the peak of the process, its children included. Only the
ratios mean anything on another machine. A row's share is the whole run divided by its rows.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

ROUNDS = 5
PYTHON = [sys.executable, "-c", "pass"]
SEVCONF = [sys.executable, "-m", "sevconf"]


def once(command: list[str]) -> tuple[float, float]:
    """Run a command; returns its seconds and its peak memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    taken = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return taken, usage.ru_maxrss / 1024


def best(command: list[str]) -> tuple[float, float]:
    """Return the least of several rounds, seconds and memory each for itself."""
    seconds, memory = zip(*(once(command) for _ in range(ROUNDS)), strict=True)
    return min(seconds), min(memory)


def main() -> None:
    """Print seconds, ratios and memory, then rows and milliseconds a row."""
    with tempfile.TemporaryDirectory() as folder:
        run = [*SEVCONF, "run", "--report-dir", folder]
        measured = {
            name: best(command)
            for name, command in (
                ("python -c pass", PYTHON),
                ("sevconf --help", [*SEVCONF, "--help"]),
                ("sevconf run", run),
            )
        }
        report = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))
    bare = measured["python -c pass"][0]
    table = [
        [name, f"{seconds:.3f}", f"{seconds / bare:.1f}", f"{memory:.0f}"]
        for name, (seconds, memory) in measured.items()
    ]
    headers = ["command", "s", "x python -c pass", "peak MiB"]
    print(tabulate(table, headers=headers, disable_numparse=True, colalign=("left", *["right"] * 3)))
    rows = sum(report["totals"]["scenarios"].values())
    print(f"\nsevconf run: {rows} rows, {1000 * measured['sevconf run'][0] / rows:.1f} ms a row")


if __name__ == "__main__":
    main()
