"""What mutation testing came to: numbers, survivors in groups, and the equivalent ones with their reasons."""

import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from pathlib import Path

from tabulate import tabulate

from tests.mutation.mutants import Mutant

JUDGED = Path(__file__).parent / "judged.toml"
#: Of the normal distribution, for 95 %.
_Z = 1.96
#: What tells a mutant that makes the machine itself fail, which is no merit of a rule.
_CRASHES = {"a row comes to error", "the module does not load", "a row hangs", "the process ends"}
#: Equivalent mutants to print.
_SHOWN = 20


_INTRODUCTION = """\
# Mutation testing of model and monitors

Each mutant is one small change to the source of `sevconf/model` or `sevconf/monitors`, made by an operator of mutmut.
The feature suite alone has to tell it; the tests of sevconf itself take no part. A mutant of the model is killed when a
row on a machine that conforms no longer comes to what it came to. A mutant of a monitor is killed when a row on the
reference blames somebody, or when a faulty machine is no longer caught by a rule that catches it.

Not mutated, as they change no conduct: annotations, decorators and wording (texts, what a `raise` says, and what a
breach calls expected and observed). Many mutants make the machine itself fail, as a call that lacks an argument does:
any row tells those, so `of conduct` is the score without them.

`python -m tests.mutation --sample N --seed S --report FILE` makes this report.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Survivors that have one reason."""

    name: str
    equivalent: bool
    reason: str
    matches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a mutant: `answer` has `by` and `how` if something told it."""

    mutant: Mutant
    answer: dict[str, str]

    @property
    def killed(self) -> bool:
        """Whether the suite told it."""
        return "by" in self.answer


def judged() -> tuple[Group, ...]:
    """Read the groups."""
    groups = tomllib.loads(JUDGED.read_text(encoding="utf-8")).get("group", [])
    return tuple(Group(g["name"], g["kind"] == "equivalent", g["reason"], tuple(g["matches"])) for g in groups)


def interval(hits: int, tries: int) -> tuple[float, float]:
    """Return the limits of a proportion, by Wilson's score, at 95 %."""
    if not tries:
        return 0.0, 1.0
    share, z2 = hits / tries, _Z * _Z
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = _Z * sqrt(share * (1 - share) / tries + z2 / (4 * tries * tries)) / (1 + z2 / tries)
    return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(frozen=True)
class Report:
    """All that was found; `every` is how many mutants there are, `drawn` how many of them were drawn."""

    found: tuple[Found, ...]
    every: int
    drawn: int
    seed: int
    groups: tuple[Group, ...]
    source: str = ""

    def group(self, one: Found) -> Group | None:
        """Return the group of a survivor, if it has one."""
        text = one.answer["told"]
        return next((group for group in self.groups if any(re.search(m, text) for m in group.matches)), None)

    @cached_property
    def survivors(self) -> tuple[tuple[Found, Group | None], ...]:
        """Those that nothing told, with their groups."""
        return tuple((one, self.group(one)) for one in self.found if not one.killed)

    @property
    def equivalent(self) -> list[tuple[Found, Group]]:
        """Those that nothing could tell."""
        return [(one, group) for one, group in self.survivors if group is not None and group.equivalent]

    def untold(self) -> list[Found]:
        """Return survivors without a group."""
        return [one for one, group in self.survivors if group is None]

    def score(self) -> tuple[int, int]:
        """Return how many were killed, and of how many that are not equivalent."""
        killed = sum(one.killed for one in self.found)
        return killed, len(self.found) - len(self.equivalent)

    def above(self) -> float:
        """Return the upper limit of the score."""
        return interval(*self.score())[1]

    def summary(self) -> str:
        """Return the numbers in a few lines."""
        killed, of = self.score()
        low, high = interval(killed, of)
        survived = of - killed
        rest = len(self.equivalent)
        share = f"{rest / len(self.found):.1%}" if self.found else "0 %"
        lines = [
            f"source       {self.source}",
            f"mutants      {len(self.found)} of {self.every}"
            + ("" if self.drawn == self.every else f", drawn with seed {self.seed}"),
            f"killed       {killed}",
            f"survived     {survived}",
            f"equivalent   {rest} ({share})",
            f"score        {killed / of if of else 0:.1%} of those that are not equivalent"
            + ("" if self.drawn == self.every else f"; 95 % interval {low:.1%} to {high:.1%}"),
        ]
        failed = sum(one.killed and _teller(one) in _CRASHES for one in self.found)
        judged_ = killed - failed
        share = f"{judged_ / (of - failed):.1%}" if of > failed else "-"
        lines.append(f"of conduct   {judged_} of {of - failed} ({share}), without the {failed} that break the machine")
        return "\n".join(lines) + "\n"

    def text(self) -> str:
        """Return the whole report, in Markdown."""
        parts = [
            _INTRODUCTION,
            f"```text\n{self.summary()}```\n",
            "## By room\n",
            self._table("room", lambda one: one.mutant.room),
            "## By operator\n",
            self._table("operator", lambda one: one.mutant.operator),
            "## What told them\n",
            _grid(("told by", "mutants"), Counter(_teller(one) for one in self.found if one.killed).most_common()),
            "## Survivors, by reason\n",
            self._reasons(),
            f"## Equivalent mutants: {min(_SHOWN, len(self.equivalent))} at random\n",
            self._shown(),
        ]
        return "\n".join(parts)

    def _table(self, word: str, key: Callable[[Found], str]) -> str:
        rows = []
        for name in sorted({key(one) for one in self.found}):
            part = Report(
                tuple(o for o in self.found if key(o) == name), self.every, self.drawn, self.seed, self.groups
            )
            killed, of = part.score()
            share = f"{killed / of:.0%}" if of else "-"
            rows.append((name, len(part.found), killed, of - killed, len(part.equivalent), share))
        return _grid((word, "mutants", "killed", "survived", "equivalent", "score"), rows)

    def _reasons(self) -> str:
        counts = Counter(group for _, group in self.survivors)
        rows = [
            (
                group.name if group else "told nowhere",
                "equivalent" if group and group.equivalent else "survived",
                count,
                " ".join(group.reason.split()) if group else "",
            )
            for group, count in sorted(counts.items(), key=lambda item: (-item[1], item[0].name if item[0] else ""))
        ]
        return _grid(("group", "kind", "mutants", "reason"), rows)

    def _shown(self) -> str:
        several = sorted(self.equivalent, key=lambda pair: pair[0].mutant.id)
        drawn = random.Random(self.seed).sample(several, min(_SHOWN, len(several)))  # noqa: S311
        return "\n".join(f"- `{one.answer['told']}`: {' '.join(group.reason.split())}" for one, group in drawn) + "\n"


def _teller(one: Found) -> str:
    by, how = one.answer["by"], one.answer["how"]
    if by in {"loading", "time", "end"}:
        return {"loading": "the module does not load", "time": "a row hangs", "end": "the process ends"}[by]
    if by.startswith("faulty:"):
        return (
            "a faulty machine is not caught any more"
            if how.startswith("not")
            else "a faulty machine is blamed for more"
        )
    verdict, *rules = how.split()
    return f"a monitor blames a machine that conforms ({verdict})" if rules else f"a row comes to {verdict}"


def _grid(headers: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    return tabulate(list(rows), list(headers), tablefmt="github", disable_numparse=True) + "\n"
