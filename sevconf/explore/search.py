"""
All runs of a plan, shortest first, in as many processes as there are to be.

The search goes breadth first; of a rule's counterexamples it keeps one with the fewest acts. A state that was reached
before is not left again. What notifications have to do with is learnt on the way; when a run shows more than was known,
the search starts again with that, so that no act was taken for one that commutes and is none.
"""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from sevconf.errors import UsageError
from sevconf.explore.plan import Plan
from sevconf.explore.properties import Violation
from sevconf.explore.run import Outcome, Stage, Touches

#: Runs that are handed out at once; between two such batches a checkpoint may be written.
BATCH = 256
#: Seconds between two checkpoints, and between two lines of progress.
PAUSE = 5.0

Choices: TypeAlias = tuple[str, ...]


@lru_cache(maxsize=1)
def stage(plan: Plan) -> Stage:
    """Return the machine of a plan, made once in each process."""
    return Stage(plan)


def play_batch(plan: Plan, touches: Touches, batch: Sequence[Choices]) -> list[Outcome]:
    """Play runs one after the other."""
    return [stage(plan).play(choices, touches) for choices in batch]


class Engine(Protocol):
    """Whatever plays batches of runs; results come in the order of the batches."""

    def results(self, plan: Plan, touches: Touches, batches: Sequence[Sequence[Choices]]) -> Iterator[list[Outcome]]:
        """Play all batches."""
        ...


class Here:
    """Plays in this process, and its copies."""

    def results(self, plan: Plan, touches: Touches, batches: Sequence[Sequence[Choices]]) -> Iterator[list[Outcome]]:
        """Play all batches."""
        return (play_batch(plan, touches, batch) for batch in batches)


class Processes:
    """Plays in a pool of processes on this machine."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def results(self, plan: Plan, touches: Touches, batches: Sequence[Sequence[Choices]]) -> Iterator[list[Outcome]]:
        """Play all batches."""
        found: Iterator[list[Outcome]] = self._pool.imap(_played, [(plan, touches, batch) for batch in batches])
        return found


def _played(order: tuple[Plan, Touches, Sequence[Choices]]) -> list[Outcome]:
    return play_batch(*order)


@contextmanager
def engine(plan: Plan, workers: int = 1, dask: str | None = None) -> Iterator[Engine]:
    """Return what plays runs in that many processes, or on a Dask cluster; here the machine is made at once."""
    stage(plan)
    if dask is not None:
        from sevconf.explore.cluster import cluster  # noqa: PLC0415 -- an extra

        with cluster(dask) as playing:
            yield playing
    elif workers <= 1:
        yield Here()
    else:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            yield Processes(pool)


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A shortest run that breaks a rule: its choices, all acts until the break was seen, and what is seen."""

    choices: Choices
    acts: tuple[str, ...]
    violation: Violation

    @property
    def length(self) -> tuple[int, int]:
        """How long it is: in acts, and in choices among them."""
        return len(self.acts), len(self.choices)


@dataclass
class Exploration:
    """How far a search has come: what was found, and what is left to do; all of it goes into a checkpoint."""

    plan: Plan
    touches: dict[str, frozenset[str]] = field(default_factory=dict)
    visited: set[str] = field(default_factory=set)
    #: Runs to be played, of the present depth and of the next.
    frontier: list[Choices] = field(default_factory=lambda: [()])
    following: list[Choices] = field(default_factory=list)
    counterexamples: dict[str, Counterexample] = field(default_factory=dict)
    failures: dict[str, Choices] = field(default_factory=dict)
    states: int = 0
    runs: int = 0
    ends: int = 0
    merged: int = 0
    redundant: int = 0
    restarts: int = 0
    depth: int = 0
    seconds: float = 0.0
    #: Whether all runs within the bounds were played, or stand for such that were.
    complete: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.counterexamples and not self.failures

    @property
    def progress(self) -> str:
        """How far it has come, in one line; what is left at the present depth is the only estimate that is sound."""
        rate = self.states / self.seconds if self.seconds else 0.0
        left, runs = len(self.frontier), self.runs / self.seconds if self.seconds else 1.0
        return (
            f"depth {self.depth}: {self.states} states, {rate:.0f}/s, {left} runs left at this depth "
            f"({left / runs:.0f} s), {len(self.following)} at the next"
        )

    def take(self, outcome: Outcome) -> None:
        """Take in what one run came to."""
        self.runs += 1
        self.depth = max(self.depth, len(outcome.choices))
        if outcome.redundant:
            self.redundant += 1
            return
        if outcome.failure:
            self.failures.setdefault(outcome.failure, outcome.choices)
            return
        for violation in outcome.violations:
            one = Counterexample(outcome.choices, outcome.acts, violation)
            other = self.counterexamples.setdefault(violation.rule, one)
            self.counterexamples[violation.rule] = min(other, one, key=lambda example: example.length)
        if not outcome.options:
            self.ends += 1
            return
        if outcome.state is not None and outcome.state in self.visited:
            self.merged += 1
            return
        if outcome.state is not None:
            self.visited.add(outcome.state)
        self.states += 1
        self.following += [(*outcome.choices, option) for option in outcome.options]

    def learn(self, outcome: Outcome) -> bool:
        """Take in what notifications had to do with; True if a search that went on without it has to start again."""
        more = {
            event: self.touches.get(event, frozenset()) | tokens
            for event, tokens in outcome.touches.items()
            if not tokens <= self.touches.get(event, frozenset())
        }
        self.touches |= more
        return bool(more)

    def again(self) -> None:
        """Start again, with what was learnt."""
        fresh = Exploration(self.plan, self.touches, restarts=self.restarts + 1, seconds=self.seconds)
        vars(self).update(vars(fresh))

    def save(self, path: Path) -> None:
        """Write a checkpoint; what was there stays until it is whole."""
        told = {
            **vars(self),
            "plan": asdict(self.plan),
            "touches": {event: sorted(tokens) for event, tokens in sorted(self.touches.items())},
            "visited": sorted(self.visited),
            "counterexamples": {rule: asdict(found) for rule, found in self.counterexamples.items()},
        }
        part = path.with_name(f"{path.name}.part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    @classmethod
    def load(cls, path: Path, plan: Plan) -> "Exploration":
        """
        Go on from a checkpoint.

        Raises:
            UsageError: it is none, or one of another plan.

        """
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told.pop("plan") != json.loads(json.dumps(asdict(plan))):
                raise UsageError(f"{path} is the checkpoint of another plan", hint="name another file, or remove it")
            found = cls(plan)
            told["touches"] = {event: frozenset(tokens) for event, tokens in told["touches"].items()}
            told["visited"] = set(told["visited"])
            for runs in ("frontier", "following"):
                told[runs] = [tuple(choices) for choices in told[runs]]
            told["counterexamples"] = {
                rule: Counterexample(tuple(one["choices"]), tuple(one["acts"]), _violation(one["violation"]))
                for rule, one in told["counterexamples"].items()
            }
            told["failures"] = {failure: tuple(choices) for failure, choices in told["failures"].items()}
            vars(found).update({name: told.pop(name) for name in vars(found) if name != "plan"})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} is no checkpoint of this version: {error}", hint="remove it") from error
        return found


def _violation(told: dict[str, Any]) -> Violation:
    return Violation(told["rule"], told["observed"], told["culprit"], tuple(told["steps"]))


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Where a search ends before its end, and what it leaves behind.

    `runs` is the most runs to play (0: no limit); `checkpoint` the file to go on from and to write to, if any;
    `progress` hears how far it has come.
    """

    runs: int = 0
    checkpoint: Path | None = None
    progress: Callable[[Exploration], None] = lambda _: None


def explore(plan: Plan, played_by: Engine, limits: Limits | None = None) -> Exploration:
    """
    Search all runs of a plan.

    Raises:
        UsageError: the checkpoint cannot be used.
        ForeignFailure: a driver did not start.

    """
    limits = limits or Limits()
    saved = limits.checkpoint
    found = Exploration.load(saved, plan) if saved is not None and saved.exists() else Exploration(plan)
    if not found.touches:
        _prime(found, played_by)
    before, began, told = found.seconds, time.monotonic(), time.monotonic()
    while found.frontier and not (limits.runs and found.runs >= limits.runs):
        batch, found.frontier = found.frontier[:BATCH], found.frontier[BATCH:]
        _play(found, played_by, batch)
        found.seconds = before + time.monotonic() - began
        if not found.frontier:
            found.frontier, found.following = found.following, []
        if time.monotonic() - told > PAUSE:
            told = time.monotonic()
            limits.progress(found)
            if saved is not None:
                found.save(saved)
    found.complete = not found.frontier
    if saved is not None:
        found.save(saved)
    return found


def _prime(found: Exploration, played_by: Engine) -> None:
    """Learn from one run, to its end, what notifications have to do with."""
    choices: Choices = ()
    while True:
        outcome = next(played_by.results(found.plan, found.touches, [[choices]]))[0]
        if not outcome.options:
            found.learn(outcome)
            return
        choices = (*choices, outcome.options[0])


def _play(found: Exploration, played_by: Engine, batch: Sequence[Choices]) -> None:
    """Play a batch in small pieces, in order; start again if one shows that too much was taken for commuting."""
    pieces = [batch[at : at + 8] for at in range(0, len(batch), 8)]
    outcomes = [outcome for piece in played_by.results(found.plan, found.touches, pieces) for outcome in piece]
    if found.plan.reduced and any([found.learn(outcome) for outcome in outcomes]):  # noqa: C419 -- learn from all
        found.again()
        return
    for outcome in outcomes:
        found.take(outcome)
