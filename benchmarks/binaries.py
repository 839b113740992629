"""
What it costs to load a real driver and to run its entry point, beside Qiling's UEFI emulation.

Qiling goes into an environment of its own below build/, once. Both take the same files, drivers out of Debian's OVMF,
in processes of their own; imports are not counted, everything from the file to the entry point's return is. Ours has
the SEV view and the trace on, and makes its machine anew each time. The best of several rounds, in turns; only the
ratios mean anything on another machine.
"""

import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import NoReturn

from tabulate import tabulate

from sevconf.model.machine import ReferenceMachine
from sevconf.subjects.binary.firmware.system import Firmware, Options
from sevconf.subjects.binary.images import pe, volume
from sevconf.subjects.binary.platform import era
from sevconf.vocabulary import MachineKind

OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
DRIVERS = ("EhciDxe", "XhciDxe", "UhciDxe")
ROUNDS = 5
QILING = "qiling==1.4.6"
PEER = Path(__file__).resolve().parents[1] / "build" / "qiling"

#: What runs in the peer's process: seconds to load and to run, as JSON.
_PROGRAM = """
import json, sys, time
from qiling import Qiling
from qiling.const import QL_VERBOSE
start = time.perf_counter()
ql = Qiling([sys.argv[1]], sys.argv[2], verbose=QL_VERBOSE.OFF)
loaded = time.perf_counter()
ql.run()
print(json.dumps([loaded - start, time.perf_counter() - loaded]))
"""


class _Judge:
    def fail(self, culprit: str, how: str) -> NoReturn:
        """Fail on behalf of a binary."""
        raise RuntimeError(f"{culprit} {how}")


def once(path: Path) -> tuple[float, float]:
    """Load and run in a machine of ours; returns the seconds of both."""
    start = time.perf_counter()
    image = pe.image(path.read_bytes(), path.stem)
    machine = ReferenceMachine(MachineKind.SEV, 0)
    firmware = Firmware(machine.core, machine.guest, Options(era("edk2-202211")), _Judge())
    loaded = firmware.load(image, f"driver:{path.stem}")
    between = time.perf_counter()
    status = firmware.start(loaded)
    end = time.perf_counter()
    if status:
        raise RuntimeError(f"{path.stem} returns {status:#x}")
    return between - start, end - between


def ours(path: Path) -> tuple[float, float]:
    """Load and run here, in a fresh process."""
    return _asked([sys.executable, __file__, str(path)])


def theirs(path: Path) -> tuple[float, float]:
    """Load and run in Qiling."""
    return _asked([str(PEER / "bin" / "python"), "-c", _PROGRAM, str(path), str(path.parent)])


def _asked(command: list[str]) -> tuple[float, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    load, run = json.loads(done.stdout.splitlines()[-1])
    return load, run


def best(path: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the best of ours and of theirs, by its sum."""
    rounds = [(ours(path), theirs(path)) for _ in range(ROUNDS)]
    return min((own for own, _ in rounds), key=sum), min((peer for _, peer in rounds), key=sum)


def main() -> None:
    """Print milliseconds and ratios for each driver."""
    if not PEER.exists():
        venv.create(PEER, with_pip=True)
        install = [str(PEER / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, QILING], check=True, stderr=sys.stderr)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        found = {image.name: image.data for image in volume.images(OVMF.read_bytes())}
        for name in DRIVERS:
            path = Path(folder) / f"{name}.efi"
            path.write_bytes(found[name])
            own, peer = best(path)
            times = [f"{1000 * value:.1f}" for value in (*own, *peer)]
            rows.append([name, *times, f"{sum(own) / sum(peer):.2f}"])
    headers = ["driver", "load ms", "run ms", "Qiling load ms", "run ms", "ours / Qiling"]
    print(tabulate(rows, headers=headers, disable_numparse=True, colalign=("left", *["right"] * 5)))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(once(Path(sys.argv[1]))))
    else:
        main()
