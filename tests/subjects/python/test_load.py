"""A class that is not there or does not fit is wrong use, said before the run; the suite itself never imports it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sevconf.contract import Capability
from sevconf.errors import UsageError
from sevconf.subjects.python.limits import WALL_VARIABLE, Limits
from sevconf.subjects.python.target import PythonTarget
from sevconf.vocabulary import MachineKind, Party

Make = Callable[..., PythonTarget]

UNFIT = [
    ("NotDriver", "NotDriver has no role", "add `role = 'driver'` to the class"),
    ("IommuDriver", "IommuDriver has no method allocate_buffer(memory_type, pages)", ""),
    (
        "Core",
        "expected 'driver' or 'iommu-driver' or 'os-loader' as role of Core, not 'core'",
        "judges a role of 'driv",
    ),
    (
        "Tape",
        "expected 'block' or 'network' or 'keyboard' or 'device' as kind of Tape, not 'tape'",
        "judges a kind of 'block' or",
    ),
    ("Network", "Network has no method transmit(frame)", ""),
    ("Misspelled", "Misspelled has no method read_blocks(lba, count)", "did you mean read_block"),
    ("TooNarrow", "TooNarrow must offer write_blocks for the arguments (lba, data): too many positional", ""),
    ("Raise", "there is no class Raise in misbehaving.py", "did you mean Raises"),
    ("os", "expected misbehaving.py:os to be a class, not a value of type module", ""),
]


@pytest.mark.parametrize(("name", "message", "hint"), UNFIT, ids=[name for name, _, _ in UNFIT])
def test_class_that_does_not_fit(target: Make, name: str, message: str, hint: str) -> None:
    """What is wrong with the class is said, with what to do about it."""
    with pytest.raises(UsageError) as caught:
        target(name)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


NAMES = [
    ("no/such.py:Driver", "there is no file no/such.py", ""),
    ("{drivers}/misbehavin.py:Raises", "there is no file {drivers}/misbehavin.py", "did you mean misbehaving.py?"),
    ("a-b:Driver", "expected FILE.py:CLASS or MODULE:CLASS, not 'a-b:Driver'", ""),
    ("module:", "expected FILE.py:CLASS or MODULE:CLASS, not 'module:'", ""),
    ("no_such_module:Driver", "there is no module no_such_module", "install it, or give the path of its file"),
    ("sevconf.no_such:Driver", "there is no module sevconf.no_such", ""),
]


@pytest.mark.parametrize(("name", "message", "hint"), NAMES)
def test_name_of_nothing(target: Make, name: str, message: str, hint: str) -> None:
    """A name that is none, or of nothing, is said to be so."""
    drivers = Path(__file__).parent / "drivers"
    with pytest.raises(UsageError) as caught:
        target(name.format(drivers=drivers))
    assert caught.value.message == message.format(drivers=drivers)
    assert hint in caught.value.hint


IMPORTS = [
    ("raise ValueError('no')", "vendor.py:D cannot be imported: it raises ValueError: no (vendor.py:1)"),
    ("import sys\nsys.exit('bye')", "vendor.py:D cannot be imported: it raises SystemExit: bye (vendor.py:2)"),
    ("def", "vendor.py:D cannot be imported: it raises SyntaxError: invalid syntax (vendor.py, line 1) (vendor.py:1)"),
    ("import nowhere", "vendor.py:D cannot be imported: it raises ModuleNotFoundError: No module named 'nowhere'"),
    ("import os\nos._exit(4)", "vendor.py:D cannot be imported: it killed its worker (exit code 4)"),
    ("while True: pass", "vendor.py:D cannot be imported: it hung past 0.5 s"),
    ("import os\nos.closerange(3, 99)", "vendor.py:D cannot be imported: it cuts the line between its worker and the"),
]


@pytest.mark.parametrize(("text", "message"), IMPORTS)
def test_import_that_fails(target: Make, tmp_path: Path, text: str, message: str) -> None:
    """An import that raises, exits, dies or hangs is wrong use, and the suite goes on."""
    (tmp_path / "vendor.py").write_text(text)
    with pytest.raises(UsageError) as caught:
        target(f"{tmp_path}/vendor.py:D", wall=0.5)
    assert caught.value.message.startswith(message)


def test_suite_never_imports_foreign_code(target: Make) -> None:
    """The class is in its workers only."""
    target("Raises").open(MachineKind.NONE, 0).close()
    assert "misbehaving" not in sys.modules


def test_file_with_the_name_of_a_module(target: Make, tmp_path: Path) -> None:
    """A driver's file may be called like a module that is in use, and import its siblings."""
    (tmp_path / "sibling.py").write_text("from sevconf.model.drivers.disk import DiskDriver as Base\n")
    (tmp_path / "random.py").write_text("from sibling import Base\nclass Disk(Base): pass\n")
    made = target(f"{tmp_path}/random.py:Disk")
    made.open(MachineKind.NONE, 0).close()
    assert made.identity.name == "random.py:Disk"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["random.py", "sibling.py"]


def test_what_a_target_says_of_itself(target: Make) -> None:
    """A foreign driver is judged as a driver; without submit_write it leaves no write in flight."""
    made = target("Raises")
    assert made.parties == {Party.DRIVER}
    assert made.kinds == set(MachineKind)
    own_choices = {Capability.HANDLER_TPL, Capability.KEYBOARD_TRANSFERS}
    other_devices = {Capability.KEYBOARD_DRIVER, Capability.NETWORK_DRIVER, Capability.DEVICE_DRIVER}
    assert made.capabilities == frozenset(Capability) - own_choices - other_devices
    assert (made.identity.kind, len(made.identity.sha256), made.revision.value) == ("python", 64, "2.10")
    assert Capability.WRITE_IN_FLIGHT not in target("Plain").capabilities


def test_limit_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of time can be set for a whole run, to a number of seconds."""
    monkeypatch.setenv(WALL_VARIABLE, "2.5")
    assert Limits().wall == 2.5
    monkeypatch.setenv(WALL_VARIABLE, "soon")
    with pytest.raises(UsageError, match="expected a number of seconds in SEVCONF_WALL_LIMIT, not 'soon'"):
        Limits()
