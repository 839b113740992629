"""
The designs that the thread of 2017 weighs, and what becomes of each under all orders.

Each is explored with two disks, one of whose drivers may be a special one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.explore.plan import Plan
from sevconf.explore.search import Exploration, engine, explore


@dataclass(frozen=True, slots=True)
class Design:
    """A design in words, and its plan."""

    name: str
    plan: Plan


def _two(iommu: str = "sev", fault: str = "", other: str = "disk", steps: int = 1) -> Plan:
    return Plan(("disk", other), iommu, fault, steps)


DESIGNS = (
    Design("teardown in the exit handler, no deferral", _two(fault="tears-down-at-once")),
    Design("teardown deferred to TPL_CALLBACK", _two()),
    Design("teardown deferred to TPL_CALLBACK, pooled pages", _two("sev-pool")),
    Design("private event at TPL_NOTIFY", _two(fault="defers-at-notify")),
    Design("two deferring drivers", _two(other="deferring-disk")),
    Design("IOMMU drivers signalled by the core, behind all", _two("core-signalled")),
    Design("the same, beside a deferring driver", _two("core-signalled", other="deferring-disk")),
    Design("teardown in BeforeExitBootServices", _two(fault="tears-down-in-before-group")),
    Design("a core that runs each member as it is queued", _two(fault="dispatches-as-it-queues")),
)


def results(workers: int = 1) -> Iterator[tuple[Design, Exploration]]:
    """Explore every design."""
    for design in DESIGNS:
        with engine(design.plan, workers) as playing:
            yield design, explore(design.plan, playing)


def row(design: Design, found: Exploration) -> tuple[str, ...]:
    """Return a design as a row: name, what breaks with the length of its shortest counterexample, states, runs."""
    broken = [f"{rule} ({one.length[0]})" for rule, one in sorted(found.counterexamples.items())]
    return design.name, ", ".join(broken) or "nothing", str(found.states), str(found.runs)


HEADERS = ("design", "breaks (acts of the shortest run)", "states", "runs")
