"""
Where the suite lies: `features/` and `steps/`.

They stand beside `sevconf/` in a checkout and inside it (`sevconf/_suite`) in an installation. `SEVCONF_SUITE` names
another folder that holds both; it is for trying out rules, and shows in every report as another suite hash.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from sevconf.errors import SuiteError

#: Name of the environment variable that names another suite.
VARIABLE = "SEVCONF_SUITE"


def suite_root() -> Path:
    """
    Return the folder that holds `features/` and `steps/`.

    Raises:
        SuiteError: there is none.

    """
    package = Path(__file__).resolve().parents[1]
    chosen = os.environ.get(VARIABLE)
    candidates = [Path(chosen).resolve()] if chosen else [package / "_suite", package.parent]
    for root in candidates:
        if (root / "features").is_dir() and (root / "steps").is_dir():
            return root
    raise SuiteError(
        f"expected folders 'features' and 'steps' in {' or '.join(map(str, candidates))}",
        hint=f"unset {VARIABLE}" if chosen else "the installation is incomplete: install sevconf again",
    )


def feature_files(root: Path) -> list[Path]:
    """Return the feature files of a suite, sorted."""
    return sorted((root / "features").rglob("*.feature"))


def step_files(root: Path) -> list[Path]:
    """Return the modules of step definitions of a suite, sorted."""
    return sorted(path for path in (root / "steps").glob("*.py") if path.name != "__init__.py")


def _texts(root: Path) -> Iterator[Path]:
    yield from feature_files(root)
    yield from sorted((root / "steps").glob("*.py"))


def suite_hash(root: Path) -> str:
    """Return the SHA-256 over names and texts of all features and steps, in hex: which suite it was."""
    text = hashlib.sha256()
    for path in _texts(root):
        content = path.read_bytes()
        text.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        text.update(content)
    return text.hexdigest()
