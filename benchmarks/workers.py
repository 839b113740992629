"""
What a second worker is worth: `sevconf run -n 1` against `-n 2`, which have to write the same report.json.

Each is a process of its own, the best of several. The ratio depends on the processors that are free.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

ROUNDS = 3
WORKERS = (1, 2)


def once(workers: int, folder: Path) -> float:
    """Run the suite on the reference; returns seconds."""
    command = [sys.executable, "-m", "sevconf", "run", "-n", str(workers), "--report-dir", str(folder)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Print seconds and the ratio; exit code 1 if the reports differ."""
    with tempfile.TemporaryDirectory() as place:
        folders = {workers: Path(place) / str(workers) for workers in WORKERS}
        best = {workers: min(once(workers, folders[workers]) for _ in range(ROUNDS)) for workers in WORKERS}
        reports = {(folder / "report.json").read_bytes() for folder in folders.values()}
    table = [[f"-n {workers}", f"{best[workers]:.2f}", f"{best[workers] / best[1]:.2f}"] for workers in WORKERS]
    print(
        tabulate(
            table, headers=["sevconf run", "s", "x -n 1"], disable_numparse=True, colalign=("left", "right", "right")
        )
    )
    same = len(reports) == 1
    print("\nreport.json is the same, byte for byte" if same else "\nreport.json differs")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
