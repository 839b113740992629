"""What changed between two reports: rules and claims by verdict, and whether something that passed no longer does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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


def _word(verdict: Verdict | None) -> str:
    return ABSENT if verdict is None else str(verdict)


def compare(before: Report, after: Report) -> Difference:
    """Compare two reports."""
    changes = (
        *_changes("claim", {c.id: c.verdict for c in before.claims}, {c.id: c.verdict for c in after.claims}),
        *_changes("rule", {r.id: r.counted for r in before.rules}, {r.id: r.counted for r in after.rules}),
        *_changes("scenario", {r.id: r.verdict for r in before.rows}, {r.id: r.verdict for r in after.rows}),
    )
    return Difference(tuple(_notes(before, after)), changes)


def _changes(what: str, old: Mapping[str, Verdict], new: Mapping[str, Verdict]) -> Iterator[Change]:
    for name in {**old, **new}:
        if old.get(name) is not new.get(name):
            yield Change(what, name, old.get(name), new.get(name))


def _notes(before: Report, after: Report) -> Iterator[str]:
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
