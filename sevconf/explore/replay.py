"""
A counterexample as a scenario that can be read, and run again.

It is run again on the machine's own event queue, with the order of the group and all levels fixed when the group is
signaled: not by the way in which the search found it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gherkin.errors import CompositeParserException
from gherkin.parser import Parser

from sevconf.errors import UsageError
from sevconf.explore.plan import Plan
from sevconf.explore.run import Outcome, Stage
from sevconf.explore.scheduler import GO_ON, Scheduler
from sevconf.model.event import Events

_DRIVERS, _IOMMU, _FAULT, _STEPS = (
    "the drivers ",
    "the IOMMU driver ",
    "the one-bug machine ",
    "the devices make at most ",
)
_WHEN = "the OS loader takes the machine over, and this happens in this order"
_HOLDS = " holds"


class Script(Scheduler):
    """Does what is written: acts as a search has recorded them, whichever way it made them."""

    def __init__(self, plan: Plan, acts: Sequence[str]) -> None:
        super().__init__((), {}, {}, plan.steps, reduced=False)
        self._strict = plan.parts.events is not Events
        self._left = list(acts)
        self._members = [act for act in acts if " at " in act]

    def choose(self, options: Sequence[str]) -> str:
        """Take the next act; order and levels of a whole group are taken ahead."""
        if self._strict:
            chosen = self._left.pop(0) if self._left else options[0]
        elif GO_ON not in options:
            chosen = next((act for act in self._members if act in options), options[0])
        else:
            act = self._left.pop(0) if self._left else GO_ON
            chosen = act if act in options else GO_ON
        if chosen not in options:
            raise UsageError(f"expected one of {', '.join(options)} next, not {chosen}", hint="the plan has changed")
        self.acts.append(chosen)
        return chosen


def scenario(plan: Plan, rule: str, sentence: str, acts: Sequence[str], owners: dict[str, str]) -> str:
    """Return a counterexample as a feature."""
    fault = f"    And {_FAULT}{plan.fault}\n" if plan.fault else ""
    rows = [_row(act, owners) for act in acts]
    widths = [max(len(row[column]) for row in (("act", "whose", "at"), *rows)) for column in range(3)]
    table = "".join(
        "      | " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |\n"
        for row in (("act", "whose", "at"), *rows)
    )
    return (
        "Feature: A counterexample\n"
        "  Found by `sevconf explore`; `sevconf explore --replay FILE` runs it again.\n\n"
        f"  Scenario: {rule} is broken: {sentence}\n"
        f"    Given {_DRIVERS}{', '.join(plan.drivers)}\n"
        f"    And {_IOMMU}{plan.iommu}\n{fault}"
        f"    And {_STEPS}{plan.steps} DMA steps between notifications\n"
        f"    When {_WHEN}\n{table}"
        f"    Then {rule}{_HOLDS}\n"
    )


def _row(act: str, owners: dict[str, str]) -> tuple[str, str, str]:
    if act == GO_ON:
        return act, "", ""
    if act.startswith("step "):
        return "step", act.removeprefix("step "), ""
    event, _, level = act.partition(" at ")
    return event, owners.get(event, ""), f"TPL_{level}"


def _act(cells: Sequence[str]) -> str:
    act, whose, level = cells
    if act == GO_ON:
        return act
    return f"step {whose}" if act == "step" else f"{act} at {level.removeprefix('TPL_')}"


def read(path: Path) -> tuple[Plan, str, tuple[str, ...]]:
    """
    Return the plan, the rule and the acts of a counterexample.

    Raises:
        UsageError: the file is none.

    """
    try:
        parsed: Any = Parser().parse(path.read_text(encoding="utf-8"))
        told = parsed["feature"]["children"][0]["scenario"]["steps"]
        texts = [step["text"] for step in told]
        acts = next(
            tuple(_act([cell["value"] for cell in row["cells"]]) for row in step["dataTable"]["rows"][1:])
            for step in told
            if step["text"] == _WHEN
        )
        drivers = tuple(_after(texts, _DRIVERS).split(", "))
        steps = int(_after(texts, _STEPS).split()[0])
        rule = next(text for text in texts if text.endswith(_HOLDS)).removesuffix(_HOLDS)
        fault = next((text.removeprefix(_FAULT) for text in texts if text.startswith(_FAULT)), "")
    except (OSError, CompositeParserException, KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise UsageError(f"{path} is no counterexample of sevconf explore: {error or type(error).__name__}") from error
    return Plan(drivers, _after(texts, _IOMMU), fault, steps, reduced=False), rule, acts


def _after(texts: Sequence[str], start: str) -> str:
    return next(text.removeprefix(start) for text in texts if text.startswith(start))


def replay(plan: Plan, acts: Sequence[str]) -> Outcome:
    """Run a counterexample again, to its end, with its trace."""
    whole = Plan(plan.drivers, plan.iommu, plan.fault, plan.steps, reduced=False, seed=plan.seed)
    return Stage(whole, Script(whole, acts)).play((), {}, traced=True)
