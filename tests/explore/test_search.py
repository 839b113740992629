"""Processes, checkpoints, Dask and Spin: other ways to go through the same runs, to the same end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sevconf.errors import UsageError
from sevconf.explore.designs import DESIGNS, Design
from sevconf.explore.plan import Plan
from sevconf.explore.promela import check, promela
from sevconf.explore.search import Exploration, Limits, engine, explore, stage

PLAN = Plan(("disk", "deferring-disk"), steps=1)


def _explored(plan: Plan, limits: Limits | None = None, workers: int = 1, dask: str | None = None) -> Exploration:
    stage.cache_clear()
    with engine(plan, workers, dask) as playing:
        return explore(plan, playing, limits)


def _figures(found: Exploration) -> tuple[object, ...]:
    return found.states, found.runs, found.ends, found.merged, found.counterexamples, found.complete


def test_two_processes_find_what_one_finds() -> None:
    """Verdict, figures and counterexamples do not depend on the number of processes."""
    assert _figures(_explored(PLAN)) == _figures(_explored(PLAN, workers=2))


def test_a_dask_cluster_finds_what_one_process_finds() -> None:
    """Two local Dask workers come to the same verdict and state count."""
    assert _figures(_explored(PLAN)) == _figures(_explored(PLAN, dask="local:2"))


def test_a_search_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """What was cut short goes on, and comes to the same figures."""
    whole = _explored(PLAN)
    path = tmp_path / "state.json"
    part = _explored(PLAN, Limits(runs=10, checkpoint=path))
    assert not part.complete
    assert part.runs < whole.runs
    assert _figures(_explored(PLAN, Limits(checkpoint=path))) == _figures(whole)


def test_a_search_that_was_killed_goes_on(tmp_path: Path) -> None:
    """Kill -9 in the middle loses no more than the time since the last checkpoint."""
    plan = Plan(("disk", "disk", "disk"), steps=1)
    whole = _explored(plan)
    path = tmp_path / "state.json"
    code = (
        "from sevconf.explore import search\n"
        "from sevconf.explore.plan import Plan\n"
        "from pathlib import Path\n"
        "search.PAUSE, search.BATCH = 0.0, 8\n"
        f"plan = {plan!r}\n"
        "with search.engine(plan) as playing:\n"
        f"    search.explore(plan, playing, search.Limits(checkpoint=Path({str(path)!r})))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not path.exists() and child.poll() is None:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    part = Exploration.load(path, plan)
    assert 0 < part.runs < whole.runs
    assert _figures(_explored(plan, Limits(checkpoint=path))) == _figures(whole)


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    """A checkpoint belongs to its plan, and to nothing else."""
    path = tmp_path / "state.json"
    Exploration(PLAN).save(path)
    assert Exploration.load(path, PLAN) == Exploration(PLAN)
    with pytest.raises(UsageError, match="another plan"):
        Exploration.load(path, Plan(("disk",)))
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="no checkpoint"):
        Exploration.load(path, PLAN)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_spin_comes_to_the_same_verdicts(design: Design, tmp_path: Path) -> None:
    """A model of order alone, checked by Spin, breaks where the explorer finds a rule broken, and nowhere else."""
    found = _explored(design.plan)
    assert check(design.plan, tmp_path).broken is bool(found.counterexamples)


@pytest.mark.parametrize("drivers", ["twice-deferring-disk", "disk disk disk", "disk deferring-disk deferring-disk"])
def test_spin_agrees_on_other_drivers(drivers: str, tmp_path: Path) -> None:
    """And just so for one driver and for three."""
    plan = Plan(tuple(drivers.split()), steps=0)
    assert check(plan, tmp_path).broken is bool(_explored(plan).counterexamples)


def test_promela_knows_its_limits() -> None:
    """What the model of order has no word for is refused, and not called safe."""
    with pytest.raises(UsageError):
        promela(Plan(("keyboard",)))
    with pytest.raises(UsageError):
        promela(Plan(("disk",), fault="leaves-tail"))
