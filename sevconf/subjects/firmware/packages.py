"""Tools and images that come from Debian's packages: where they are, and which package brings one that is missing."""

import shutil
import subprocess
from pathlib import Path

from sevconf.errors import UsageError

#: Which package brings a tool.
_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "mformat": "mtools",
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64",
}


def tool(name: str) -> str:
    """
    Return the path of a tool.

    Raises:
        UsageError: it is not installed; the hint names Debian's package.

    """
    found = shutil.which(name)
    if found is None:
        hint = f"install Debian's package {_TOOLS[name]}" if name in _TOOLS else ""
        raise UsageError(f"expected {name} to be installed", hint=hint)
    return found


def image(path: Path, package: str) -> Path:
    """
    Return the path of a firmware's file.

    Raises:
        UsageError: it is not there; the hint names Debian's package if it is one of its files.

    """
    if not path.is_file():
        hint = f"install Debian's package {package}" if package else ""
        raise UsageError(f"expected the firmware image {path}", hint=hint)
    return path


def version(package: str) -> str:
    """Return the version of an installed package of Debian, or nothing if it is unknown."""
    try:
        command = ["dpkg-query", "--show", "--showformat=${Version}", package]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def missing() -> tuple[str, ...]:
    """Return the packages of Debian that a run on real firmware wants and that are not there."""
    wanted = {package for name, package in _TOOLS.items() if shutil.which(name) is None}
    return tuple(sorted(wanted))
