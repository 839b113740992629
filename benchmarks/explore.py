"""
Explores six drivers in every order of registration, at both levels, with a compromise at every step, in two processes.

`python benchmarks/explore.py` prints states, states a second and the reduction; `python benchmarks/explore.py spin`
prints the time that the explorer and Spin take for the same small plans.
"""

import sys
import tempfile
import time
from pathlib import Path

from sevconf.explore.designs import DESIGNS
from sevconf.explore.plan import Plan
from sevconf.explore.promela import check
from sevconf.explore.search import Limits, engine, explore, stage
from sevconf.explore.told import findings, text


def six() -> None:
    """Explore six disks, with one DMA step at choice."""
    plan = Plan(("disk",) * 6, steps=1)
    with engine(plan, 2) as playing:
        print(text(findings(explore(plan, playing, Limits(progress=lambda found: print(found.progress))), {})))


def spin() -> None:
    """Compare with Spin; its C compiler's time is counted, as it is part of each answer."""
    for design in DESIGNS:
        stage.cache_clear()
        began = time.monotonic()
        with engine(design.plan) as playing:
            found = explore(design.plan, playing)
        ours = time.monotonic() - began
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            said = check(design.plan, Path(folder))
        theirs = time.monotonic() - began
        same = "same" if said.broken is not found.holds else "OTHER"
        print(f"{design.name:50} {same} verdict; {ours:5.1f} s, Spin {theirs:4.1f} s: {ours / theirs:5.1f} times")


if __name__ == "__main__":
    spin() if sys.argv[1:] == ["spin"] else six()
