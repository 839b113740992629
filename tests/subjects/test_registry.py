"""Targets go by name, and a name that is none is told what may have been meant."""

import subprocess
import sys
from pathlib import Path

import pytest

from sevconf.errors import UsageError
from sevconf.faults import CATALOGUE
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.reference import ReferenceTarget
from sevconf.subjects.registry import names, resolve
from sevconf.vocabulary import Party

EXAMPLE = Path(__file__).parents[2] / "examples" / "right_block_driver.py"


def test_own_machines() -> None:
    """The reference and `shuffled` are judged as all parties, a faulty machine as the one that has the bug."""
    for name in ("reference", "shuffled"):
        target = resolve(name)
        assert isinstance(target, ReferenceTarget)
        assert (target.identity.name, target.parties) == (name, frozenset(Party))
    for name, fault in CATALOGUE.items():
        target = resolve(f"faulty:{name}")
        assert (target.identity.name, target.parties) == (f"faulty:{name}", frozenset({fault.party}))


@pytest.mark.parametrize("name", [f"{EXAMPLE}:RightBlockDriver", "sevconf.model.drivers.disk:DiskDriver"])
def test_foreign_classes(name: str) -> None:
    """A class goes by its file or by its module."""
    target = resolve(name)
    assert isinstance(target, PythonTarget)
    target.close()


TO_COME = ["x.jsonl", "D/traces/x.jsonl"]


@pytest.mark.parametrize("name", TO_COME)
def test_what_is_not_built_yet(name: str) -> None:
    """A name that is spoken for is told to be not supported by this version."""
    with pytest.raises(UsageError, match="is not supported by this version"):
        resolve(name)


@pytest.mark.parametrize("name", ["x.efi", "dir/x.ROM", "x.fd#NvmExpressDxe"])
def test_images_are_looked_for_in_their_files(name: str) -> None:
    """A name of a file with images is a binary, whether the file is there or not."""
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        resolve(name)


UNKNOWN = [
    ("referense", "there is no target 'referense'", "did you mean reference?"),
    ("nonsense", "there is no target 'nonsense'", "`sevconf list targets` shows what can be judged"),
    ("faulty:does-not-hold", "there is no faulty machine 'does-not-hold'", "did you mean does-not-halt"),
    ("drv.py", "expected a class with the file drv.py", "name it: drv.py:CLASS"),
    ("drv.py:Disk", "there is no file drv.py", ""),
]


@pytest.mark.parametrize(("name", "message", "hint"), UNKNOWN)
def test_names_that_are_none(name: str, message: str, hint: str) -> None:
    """A name of nothing is wrong use, with a hint."""
    with pytest.raises(UsageError) as caught:
        resolve(name)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_list_of_names() -> None:
    """Every name is listed once, with one line of what it stands for."""
    listed = names()
    assert [name for name, _ in listed][:2] == ["reference", "shuffled"]
    assert len(dict(listed)) == len(listed) == len(CATALOGUE) + 13
    assert all(text and "\n" not in text for _, text in listed)


def test_naming_loads_nothing() -> None:
    """The registry loads neither the model nor numpy before it is asked for a target."""
    program = "import sys, sevconf.subjects.registry; print('numpy' in sys.modules, 'sevconf.model' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
