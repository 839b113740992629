"""
The agent's binary: compiled when it is first wanted, kept by the hash of all that goes into it.

Nothing built is committed. The cache is `sevconf` in the user's cache directory (XDG_CACHE_HOME); it may be emptied at
any time.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from sevconf.errors import CannotStart
from sevconf.subjects.firmware.packages import tool
from sevconf.subjects.firmware.wire import header

COMPILER = "x86_64-w64-mingw32-gcc"
#: Freestanding, no red zone (interrupts use the stack), no vector registers (a core need not save them).
_FLAGS = (
    *("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib", "-fno-stack-protector"),
    *("-mno-red-zone", "-mgeneral-regs-only", "-fno-ident", "-Wl,--subsystem,10", "-Wl,--no-insert-timestamp"),
    *("-Wl,-e,efi_main", "-s"),
)
_SOURCE = Path(__file__).parent / "agent"
#: Seconds that the compiler may take.
_LIMIT = 60


def cache() -> Path:
    """Return the folder for what is built or made, which may be emptied at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sevconf"


def agent() -> Path:
    """
    Return the agent, BOOTX64.EFI.

    Raises:
        UsageError: there is no compiler.
        CannotStart: it does not compile.

    """
    compiler = tool(COMPILER)
    sources = sorted(_SOURCE.glob("*.[ch]"))
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True, timeout=_LIMIT)
    text = hashlib.sha256("\0".join((*_FLAGS, version.stdout, header())).encode())
    for source in sources:
        text.update(source.name.encode() + b"\0" + source.read_bytes())
    built = cache() / f"agent-{text.hexdigest()[:32]}.efi"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        _compile(compiler, sources, built)
    return built


def _compile(compiler: str, sources: list[Path], built: Path) -> None:
    with tempfile.TemporaryDirectory(dir=built.parent, prefix="agent-") as place:
        (Path(place) / "wire.h").write_text(header(), encoding="utf-8")
        for source in sources:
            shutil.copy(source, place)
        code = [source.name for source in sources if source.suffix == ".c"]
        done = subprocess.run(
            [compiler, *_FLAGS, "-o", "agent.efi", *code],
            cwd=place, capture_output=True, text=True, check=False, timeout=_LIMIT,
        )  # fmt: skip
        if done.returncode:
            raise CannotStart("firmware", f"the agent does not compile:\n{done.stderr.strip()}")
        (Path(place) / "agent.efi").replace(built)
