"""What is installed of all that sevconf can use, what each is for, and how to get what is missing."""

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: How long a program may take to tell its version, in seconds.
_PATIENCE = 10
_VERSION = re.compile(r"\d+\.\d+[\w.~+-]*")


@dataclass(frozen=True, slots=True)
class Need:
    """
    Something that sevconf can use.

    `kind` is `program`, `package` (of Python) or `file`; `names` are tried in order. `needed` tells that nothing works
    without it; `get` says how to install it.
    """

    what: str
    kind: str
    names: tuple[str, ...]
    purpose: str
    get: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one need: the version or path found, or nothing."""

    need: Need
    version: str

    @property
    def here(self) -> bool:
        """Whether it is installed."""
        return bool(self.version)


NEEDS = (
    Need("pytest", "package", ("pytest",), "runs every scenario", "pip install sevconf", needed=True),
    Need("pytest-bdd", "package", ("pytest_bdd",), "binds sentences to steps", "pip install sevconf", needed=True),
    Need("cryptography", "package", ("cryptography",), "encrypts RAM", "pip install sevconf", needed=True),
    Need("Jinja2", "package", ("jinja2",), "writes report.html", "pip install sevconf", needed=True),
    Need("pytest-xdist", "package", ("xdist",), "runs rows in several processes (-n)", "pip install sevconf"),
    Need("pefile", "package", ("pefile",), "reads UEFI binaries (.efi)", "pip install pefile"),
    Need("Unicorn", "package", ("unicorn",), "runs UEFI binaries (.efi)", "pip install unicorn"),
    Need("QEMU", "program", ("qemu-system-x86_64",), "runs real firmware", "apt-get install qemu-system-x86"),
    Need(
        "OVMF",
        "file",
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/ovmf/OVMF.fd"),
        "a real core and real drivers to judge",
        "apt-get install ovmf",
    ),
    Need(
        "U-Boot",
        "file",
        ("/usr/lib/u-boot/qemu-x86_64/u-boot.rom", "/usr/lib/u-boot/qemu-x86/u-boot.rom"),
        "another real core to judge",
        "apt-get install u-boot-qemu",
    ),
    Need(
        "compiler",
        "program",
        ("x86_64-w64-mingw32-gcc",),
        "builds UEFI binaries from C",
        "apt-get install gcc-mingw-w64-x86-64",
    ),
    Need("mtools", "program", ("mcopy",), "puts UEFI binaries on a disk image", "apt-get install mtools"),
    Need("spin", "program", ("spin",), "explores orders of events", "apt-get install spin"),
    Need("Chromium", "program", ("chromium",), "tests report.html", "apt-get install chromium chromium-driver"),
)


def examine() -> Iterator[Found]:
    """Look for everything that sevconf can use."""
    yield Found(Need("Python", "program", (), "runs sevconf", "", needed=True), platform.python_version())
    for need in NEEDS:
        yield Found(need, next(filter(None, map(_FINDERS[need.kind], need.names)), ""))


def _package(name: str) -> str:
    if importlib.util.find_spec(name) is None:
        return ""
    owners = importlib.metadata.packages_distributions().get(name, [name])
    try:
        return importlib.metadata.version(owners[0])
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        return ""
    flag = "-V" if name == "spin" else "--version"
    try:
        told = subprocess.run([path, flag], capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return path
    version = _VERSION.search(told)
    return version.group() if version else path


def _file(name: str) -> str:
    return name if Path(name).is_file() else ""


_FINDERS = {"package": _package, "program": _program, "file": _file}
