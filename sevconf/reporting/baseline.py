"""
A report held against an earlier one: which failures are new.

A failure is a row of a rule that counts, or a breach charged to one, by rule and row: what was said about it may change
from day to day without its being another failure. One that a deviation covers is known as well.
"""

from dataclasses import dataclass

from sevconf.reporting.compare import notes
from sevconf.reporting.record import DEVIABLE
from sevconf.reporting.report import Report
from sevconf.reporting.sections import Section
from sevconf.reporting.table import grid
from sevconf.verdict import ExitCode, Verdict


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """One thing that failed: `kind` is its verdict, or `breach`."""

    rule: str
    row: str
    kind: str
    observed: str = ""

    @property
    def key(self) -> tuple[str, str, bool]:
        """What makes it the same failure."""
        return self.rule, self.row, self.kind == "breach"


@dataclass(frozen=True, slots=True)
class Held:
    """What became of a baseline: failures that are new, that are gone, and that are as they were."""

    notes: tuple[str, ...]
    new: tuple[Failure, ...]
    gone: tuple[Failure, ...]
    known: tuple[Failure, ...]
    errors: int

    @property
    def exit_code(self) -> int:
        """1 if a failure is new, 3 if the later run had an error of ours, so that something was not judged."""
        if self.errors:
            return ExitCode.ERROR
        return ExitCode.NONCONFORMING if self.new else ExitCode.CONFORMING

    def text(self) -> str:
        """Return it as text."""
        lines = list(self.notes)
        for title, failures in (("New", self.new), ("Gone", self.gone)):
            if failures:
                rows = tuple((failure.rule, failure.row, failure.kind, failure.observed) for failure in failures)
                lines += [title, grid(Section(title, ("rule", "row", "is", "observed"), rows))]
        errors = f", {self.errors} errors of ours" if self.errors else ""
        lines.append(f"{len(self.new)} new, {len(self.gone)} gone, {len(self.known)} known{errors}")
        return "\n".join(lines) + "\n"


def failures(report: Report) -> dict[tuple[str, str, bool], Failure]:
    """Return what counts against the target of a report, by what makes it the same failure."""
    found = []
    for rule in report.rules:
        if not rule.apart:
            rows = (row for row in rule.rows if row.verdict in DEVIABLE and not row.deviation)
            found += [Failure(rule.id, row.id, row.verdict.value, row.observed) for row in rows]
            breaches = (breach for breach in rule.breaches if not breach.deviation)
            found += [Failure(rule.id, breach.row, "breach", breach.observed) for breach in breaches]
    return {failure.key: failure for failure in sorted(found)}


def hold(baseline: Report, report: Report) -> Held:
    """Hold a report against a baseline; a failure that was not judged again is neither gone nor known."""
    old, new = failures(baseline), failures(report)
    judged = {row.id for row in report.rows}
    return Held(
        notes=tuple(notes(baseline, report)),
        new=tuple(failure for key, failure in new.items() if key not in old),
        gone=tuple(failure for key, failure in old.items() if key not in new and failure.row in judged),
        known=tuple(failure for key, failure in new.items() if key in old),
        errors=sum(row.verdict is Verdict.ERROR for row in report.rows),
    )
