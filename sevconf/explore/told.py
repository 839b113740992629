"""What came of an exploration: as text, as JSON, and as files of each counterexample."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sevconf.explore.properties import PROPERTIES, Violation
from sevconf.explore.replay import replay, scenario
from sevconf.explore.run import Outcome
from sevconf.explore.search import Exploration, stage
from sevconf.verdict import ExitCode


@dataclass(frozen=True, slots=True)
class Told:
    """A counterexample, whole: its rule, after how many acts it is broken, all acts, and the run again to its end."""

    rule: str
    length: int
    acts: tuple[str, ...]
    violation: Violation
    again: Outcome

    @property
    def repeats(self) -> bool:
        """Whether the run breaks its rule again, where order and levels are fixed beforehand."""
        return any(violation.rule == self.rule for violation in self.again.violations)


@dataclass(frozen=True, slots=True)
class Findings:
    """An exploration with its counterexamples, the sentences of rules, and who made each event."""

    found: Exploration
    sentences: Mapping[str, str]
    counterexamples: tuple[Told, ...]
    owners: dict[str, str]
    handlers: int
    shown: bool

    @property
    def orders(self) -> int:
        """Orders of queueing times choices of levels that were covered."""
        return math.factorial(self.handlers) << self.handlers

    @property
    def exit_code(self) -> int:
        """0 all hold, 1 something is broken, 3 and not when run again, 4 not all was explored, or nothing shown."""
        if not all(one.repeats for one in self.counterexamples):
            return ExitCode.ERROR
        if not self.found.holds:
            return ExitCode.NONCONFORMING
        return ExitCode.CONFORMING if self.found.complete and self.shown else ExitCode.INCONCLUSIVE


def findings(found: Exploration, sentences: Mapping[str, str]) -> Findings:
    """Play each counterexample again, to its end."""
    prepared = stage(found.plan)
    told = []
    for rule, one in sorted(found.counterexamples.items(), key=lambda item: (item[1].length, item[0])):
        choices = one.choices
        while (outcome := prepared.play(choices, found.touches)).options:
            choices = (*choices, outcome.options[0])
        told.append(Told(rule, len(one.acts), outcome.acts, one.violation, replay(found.plan, outcome.acts)))
    blocks = any(seat.kind == "block" for seat in prepared.machine.seats)
    shown = prepared.shows_secrets or not blocks
    return Findings(found, sentences, tuple(told), prepared.owners, prepared.handlers, shown)


def _in_words(act: str, owners: Mapping[str, str]) -> str:
    event, at, level = act.partition(" at ")
    if not at:
        return f"{act.removeprefix('step ')} makes a DMA step" if act.startswith("step ") else "the core goes on"
    return f"{owners.get(event, '')} {event} at TPL_{level}"


def text(told: Findings) -> str:
    """Tell it to a reader."""
    found = told.found
    rate = found.states / found.seconds if found.seconds else 0.0
    each = told.orders / max(found.ends, 1)
    lines = [
        f"bounds    {found.plan.bounds}; compromise at every step",
        *([f"machine   faulty:{found.plan.fault}"] if found.plan.fault else []),
        f"explored  {found.states} states in {found.runs} runs: {found.ends} ended, {found.merged} merged, "  # noqa: ISC004
        f"{found.redundant} the same as others; {found.seconds:.1f} s, {rate:.0f} states/s",
        f"stand for {told.orders} orders and levels of {told.handlers} handlers, {each:.1f} for each run that ended",
    ]
    for failure, choices in found.failures.items():
        lines += [f"failed    {failure}", *(f"          {act}" for act in choices)]
    for one in told.counterexamples:
        lines += [
            f"broken    {one.rule} {told.sentences.get(one.rule, PROPERTIES.get(one.rule, ''))}",
            f"          {one.violation.observed}",
            f"          after {one.length} acts; {_again(one)}",
            *(f"          {number:2} {_in_words(act, told.owners)}" for number, act in enumerate(one.acts, 1)),
        ]
    return "\n".join([*lines, f"verdict   {_verdict(told)}", ""])


def _again(one: Told) -> str:
    return "run again, with its order fixed, it is broken again" if one.repeats else "run again, it is NOT broken"


def _verdict(told: Findings) -> str:
    found = told.found
    if found.failures:
        return "foreign code failed"
    if not found.holds:
        return f"{len(found.counterexamples)} rules are broken within these bounds"
    if not found.complete:
        return f"inconclusive: {len(found.frontier) + len(found.following)} runs and more are left to play"
    if not told.shown:
        return "inconclusive: no secret was seen in DRAM before the hand-over"
    return "no rule is broken in any run within these bounds"


def as_json(told: Findings) -> str:
    """Tell it to a program."""
    found = told.found
    value = {
        "plan": asdict(found.plan),
        "bounds": found.plan.bounds,
        "complete": found.complete,
        "verdict": _verdict(told),
        "states": found.states,
        "runs": found.runs,
        "ends": found.ends,
        "merged": found.merged,
        "redundant": found.redundant,
        "depth": found.depth,
        "orders": told.orders,
        "seconds": round(found.seconds, 2),
        "failures": found.failures,
        "counterexamples": [
            {
                "rule": one.rule,
                "length": one.length,
                "acts": one.acts,
                "observed": one.violation.observed,
                "culprit": one.violation.culprit,
                "repeats": one.repeats,
            }
            for one in told.counterexamples
        ],
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def save(told: Findings, folder: Path) -> None:
    """Write each counterexample as a feature and as a trace, and all of it as explore.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "explore.json").write_text(as_json(told), encoding="utf-8")
    for one in told.counterexamples:
        sentence = told.sentences.get(one.rule, PROPERTIES.get(one.rule, ""))
        feature = scenario(told.found.plan, one.rule, sentence, one.acts, told.owners)
        (folder / f"{one.rule}.feature").write_text(feature, encoding="utf-8")
        (folder / f"{one.rule}.jsonl").write_text("".join(f"{line}\n" for line in one.again.trace), encoding="utf-8")
