"""Workers for these tests: one nursery for all, and short limits."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.nursery import Nursery
from sevconf.subjects.python.target import PythonTarget

DRIVERS = Path(__file__).parent / "drivers" / "misbehaving.py"


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Lend one nursery to all targets."""
    lent = Nursery("tests")
    yield lent
    lent.close()


@pytest.fixture
def target(nursery: Nursery) -> Callable[..., PythonTarget]:
    """Make a target of a class in `drivers/misbehaving.py`, or of any name with a colon."""

    def make(name: str, wall: float = 5.0, memory: int = 256 << 20) -> PythonTarget:
        full = name if ":" in name else f"{DRIVERS}:{name}"
        return PythonTarget(full, limits=Limits(wall=wall, memory=memory), nursery=nursery)

    return make
