"""Where the suite lies."""

from pathlib import Path

import pytest

from sevconf.errors import SuiteError
from sevconf.suite.locate import VARIABLE, suite_hash, suite_root
from tests.miniature import plant


def test_the_checkout_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout, features and steps stand beside the package."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (suite_root() / "sevconf").is_dir()


def test_a_missing_suite_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that does not hold both features and steps is refused by name."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(SuiteError, match=f"unset {VARIABLE}"):
        suite_root()


def test_the_hash_follows_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash depends on names and texts of features and steps, not on where they lie."""
    one, two = plant(tmp_path / "1", monkeypatch), plant(tmp_path / "2", monkeypatch)
    assert suite_hash(one) == suite_hash(two)
    (two / "steps" / "acts.py").write_text("# changed\n")
    assert suite_hash(one) != suite_hash(two)
