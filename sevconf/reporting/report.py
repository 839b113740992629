"""
The report of a run, as values: built from the catalogue and the rows' records, the same for the same run.

Every rule that was selected is here, whatever became of it; what does not count says why it stands apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sevconf import __version__, verdict
from sevconf.claims import CLAIMS, NOT_TESTABLE
from sevconf.contract import Identity
from sevconf.reporting.record import BreachRecord, DeviationRecord, RowRecord
from sevconf.suite import RULE_SET_VERSION, Catalogue, Rule
from sevconf.verdict import Verdict
from sevconf.vocabulary import Profile, Revision


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run was about; `rules` are the ids selected."""

    catalogue: Catalogue
    identity: Identity
    revision: Revision
    profile: Profile
    seed: int
    rules: frozenset[str]


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule; `apart` says why it does not count, and is empty if it does."""

    id: str
    name: str
    file: str
    party: str
    basis: str
    claims: tuple[str, ...]
    since: str
    limit: bool
    apart: str
    verdict: Verdict
    rows: tuple[RowRecord, ...]
    breaches: tuple[BreachRecord, ...]

    @property
    def folder(self) -> str:
        """The folder of features that it stands in."""
        return self.file.partition("/")[0]

    @property
    def counted(self) -> Verdict:
        """Its verdict where it counts, `not-counted` where it stands apart."""
        return Verdict.NOT_COUNTED if self.apart else self.verdict

    @property
    def passed(self) -> int:
        """How many of its rows passed."""
        return sum(row.verdict is Verdict.PASSED for row in self.rows)


@dataclass(frozen=True, slots=True)
class ClaimReport:
    """One claim; `passed` of `rows` rows of its counted rules passed, `reason` says why it is not testable."""

    id: str
    sentence: str
    verdict: Verdict
    rules: tuple[str, ...]
    passed: int
    rows: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """
    A whole run.

    `selection` is empty if all rules were run, `suite_sha256` says which text they had, `deviations` are those that the
    run was given and that concern it.
    """

    suite_version: str
    rule_set_version: str
    target: Identity
    revision: str
    profile: str
    seed: int
    selection: tuple[str, ...]
    rules: tuple[RuleReport, ...]
    claims: tuple[ClaimReport, ...]
    suite_sha256: str
    deviations: tuple[DeviationRecord, ...] = ()
    #: What is wrong with known deviations of real cores: entries that do not hold, or hold no more.
    problems: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[RowRecord, ...]:
        """All rows, in the order of their rules."""
        return tuple(row for rule in self.rules for row in rule.rows)

    def totals(self) -> dict[str, dict[Verdict, int]]:
        """Count scenarios (rows), rules and claims by verdict; what stands apart is `not-counted`."""
        scenarios = [Verdict.NOT_COUNTED if rule.apart else row.verdict for rule in self.rules for row in rule.rows]
        return {
            "scenarios": verdict.totals(scenarios),
            "rules": verdict.totals(rule.counted for rule in self.rules),
            "claims": verdict.totals(claim.verdict for claim in self.claims),
        }

    @property
    def refused(self) -> tuple[DeviationRecord, ...]:
        """Deviations that fail the run."""
        return tuple(deviation for deviation in self.deviations if deviation.refused)

    def exit_code(self) -> int:
        """Return the exit code of the run; what a deviation covers does not count, one that is refused does."""
        breaches = [breach for rule in self.rules if not rule.apart for breach in rule.breaches]
        code = verdict.exit_code(
            (row.verdict for rule in self.rules if not rule.apart for row in rule.rows if not row.deviation),
            (row.verdict for rule in self.rules if rule.apart for row in rule.rows),
            breaches=sum(not breach.deviation for breach in breaches) + len(self.refused),
        )
        return verdict.ExitCode.NONCONFORMING if self.problems and code != verdict.ExitCode.ERROR else code


def build(scope: Scope, records: Iterable[RowRecord], problems: tuple[str, ...] = ()) -> Report:
    """Put the records of a run together, in the order of the catalogue; `problems` are those of known deviations."""
    by_row = {record.id: record for record in records}
    every = scope.catalogue.rules
    rules = tuple(_rule(scope, every[rule], by_row) for rule in every if rule in scope.rules)
    return Report(
        suite_version=__version__,
        rule_set_version=RULE_SET_VERSION,
        target=scope.identity,
        revision=scope.revision.value,
        profile=scope.profile.value,
        seed=scope.seed,
        selection=() if scope.rules >= every.keys() else tuple(rule.id for rule in rules),
        rules=rules,
        claims=tuple(_claims(rules, complete=scope.rules >= every.keys())),
        suite_sha256=scope.catalogue.hash,
        problems=problems,
    )


def _rule(scope: Scope, rule: Rule, by_row: dict[str, RowRecord]) -> RuleReport:
    rows = tuple(by_row[row.id] for scenario in rule.scenarios for row in scenario.rows)
    breaches = sorted(
        (breach for record in by_row.values() for breach in record.breaches if breach.rule == rule.id),
        key=lambda breach: (breach.row, breach.trace, breach.observed),
    )
    return RuleReport(
        id=rule.id,
        name=rule.name,
        file=rule.file,
        party=rule.party.value,
        basis=rule.basis.value,
        claims=rule.claims,
        since=rule.since.value if rule.since else "",
        limit=rule.limit,
        apart=rule.apart(scope.profile, scope.revision),
        verdict=verdict.of_rule((row.verdict for row in rows), len(breaches)),
        rows=rows,
        breaches=tuple(breaches),
    )


def _claims(rules: tuple[RuleReport, ...], *, complete: bool) -> Iterable[ClaimReport]:
    for claim, sentence in CLAIMS.items():
        serving = [rule for rule in rules if claim in rule.claims]
        if not serving and not complete:
            continue
        result = verdict.of_claim((rule.counted for rule in serving), testable=claim not in NOT_TESTABLE)
        yield ClaimReport(
            id=claim,
            sentence=sentence,
            verdict=result,
            rules=tuple(rule.id for rule in serving),
            passed=sum(rule.passed for rule in serving if not rule.apart),
            rows=sum(len(rule.rows) for rule in serving if not rule.apart),
            reason=NOT_TESTABLE[claim] if result is Verdict.NOT_TESTABLE else "",
        )
