"""
Reports side by side: what changed between two, and how several targets stand on each rule and claim.

`compare` is for one target at two times, `side_by_side` for any number of targets at one time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sevconf.reporting.report import Report
from sevconf.reporting.sections import Section
from sevconf.reporting.table import grid
from sevconf.verdict import Verdict

#: Stands for a rule or claim that one of the reports does not have.
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Change:
    """A rule, claim or row whose verdict differs; a verdict is None where the report does not have it."""

    what: str
    id: str
    before: Verdict | None
    after: Verdict | None

    @property
    def lost(self) -> bool:
        """Whether it passed, is still there and does not pass now."""
        return self.before is Verdict.PASSED and self.after not in (Verdict.PASSED, None)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two reports side by side; `notes` say what else makes them hard to compare."""

    notes: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def lost(self) -> tuple[Change, ...]:
        """What passed before and does not now."""
        return tuple(change for change in self.changes if change.lost)

    def text(self) -> str:
        """Return the difference as text."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from self.notes
        if not self.changes:
            yield "no verdict changed"
            return
        rows = tuple((change.what, change.id, _word(change.before), _word(change.after)) for change in self.changes)
        yield grid(Section("Changes", ("", "id", "before", "after"), rows))
        lost = len(self.lost)
        yield (
            f"{lost} that passed no longer {'does' if lost == 1 else 'do'}" if lost else "nothing that passed was lost"
        )

    def plain(self) -> dict[str, Any]:
        """Return the difference as JSON can hold it."""
        changes = [
            {"what": change.what, "id": change.id, "before": _word(change.before), "after": _word(change.after)}
            for change in self.changes
        ]
        return {"notes": list(self.notes), "changes": changes, "lost": [change.id for change in self.lost]}


@dataclass(frozen=True, slots=True)
class Side:
    """One of several reports; `name` is its column, `rules` and `claims` are verdicts by id, as they count."""

    name: str
    report: Report
    rules: Mapping[str, Verdict]
    claims: Mapping[str, Verdict]


def side_by_side(reports: Sequence[Report]) -> tuple[Side, ...]:
    """Put reports side by side; of two with one name, each gets its number."""
    names = [report.target.name for report in reports]
    return tuple(
        Side(
            name if names.count(name) == 1 else f"{name} ({number})",
            report,
            {rule.id: rule.counted for rule in report.rules},
            {claim.id: claim.verdict for claim in report.claims},
        )
        for number, (name, report) in enumerate(zip(names, reports, strict=True), 1)
    )


def matrix(sides: Sequence[Side]) -> Iterator[Section]:
    """Yield how the sides stand: totals of scenarios, then claims and rules on which they are not of one verdict."""
    heads = tuple(side.name for side in sides)
    totals = [side.report.totals()["scenarios"] for side in sides]
    rows = tuple((str(kind), *(str(table[kind]) for table in totals)) for kind in Verdict)
    yield Section("Scenarios", ("verdict", *heads), rows)
    for title, tables in (("claim", [side.claims for side in sides]), ("rule", [side.rules for side in sides])):
        ids = sorted({name for table in tables for name in table})
        every = {name: tuple(table.get(name) for table in tables) for name in ids}
        differ = tuple((name, *map(_word, words)) for name, words in every.items() if len(set(words)) > 1)
        yield Section(f"{title.capitalize()}s that differ ({len(differ)} of {len(ids)})", (title, *heads), differ)


def plain(sides: Sequence[Side]) -> dict[str, Any]:
    """Return the sides as JSON can hold them: every rule and claim, also where all agree."""
    return {
        what: {
            name: {side.name: _word(getattr(side, what).get(name)) for side in sides}
            for name in sorted({name for side in sides for name in getattr(side, what)})
        }
        for what in ("rules", "claims")
    }


def _word(verdict: Verdict | None) -> str:
    return ABSENT if verdict is None else str(verdict)


def compare(before: Report, after: Report) -> Difference:
    """Compare two reports."""
    old, new = side_by_side((before, after))
    changes = (
        *_changes("claim", old.claims, new.claims),
        *_changes("rule", old.rules, new.rules),
        *_changes("scenario", {r.id: r.verdict for r in before.rows}, {r.id: r.verdict for r in after.rows}),
    )
    return Difference(tuple(notes(before, after)), changes)


def versions(reports: Sequence[Report]) -> Iterator[str]:
    """Yield what makes several targets hard to compare: rule sets, profiles and selections that are not one."""
    for word, found in (
        ("rule-set versions", {report.rule_set_version for report in reports}),
        ("texts of the suite", {report.suite_sha256[:12] for report in reports}),
        ("profiles", {report.profile for report in reports}),
        ("selections", {" ".join(report.selection) or "all" for report in reports}),
    ):
        if len(found) > 1:
            yield f"note: the {word} differ: {', '.join(sorted(found))}"


def _changes(what: str, old: Mapping[str, Verdict], new: Mapping[str, Verdict]) -> Iterator[Change]:
    for name in {**old, **new}:
        if old.get(name) is not new.get(name):
            yield Change(what, name, old.get(name), new.get(name))


def notes(before: Report, after: Report) -> Iterator[str]:
    """Yield what else makes two reports hard to compare."""
    if before.rule_set_version != after.rule_set_version:
        versions = f"{before.rule_set_version} and {after.rule_set_version}"
        yield f"note: the rule-set versions differ ({versions}): a change may be the rules', not the target's"
    elif before.suite_sha256 != after.suite_sha256:
        yield "note: the text of the suite differs within one rule-set version"
    for word, old, new in (
        ("targets", before.target.name, after.target.name),
        ("targets' hashes", before.target.sha256[:12], after.target.sha256[:12]),
        ("profiles", before.profile, after.profile),
        ("revisions", before.revision, after.revision),
        ("seeds", before.seed, after.seed),
        ("selections", " ".join(before.selection) or "all", " ".join(after.selection) or "all"),
    ):
        if old != new:
            yield f"note: the {word} differ: {old} before, {new} after"
