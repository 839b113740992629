"""
The jury's table: every rule on cores, with what the reference and each real core made of it, side by side.

A cell holds what a rule came to on a target. Where a core broke a rule, a `Finding` tells the proof, where it is public
and how often it was seen again. What is not public is counted and not told. A difference that nothing explains is one
too many: `unexplained` names it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sevconf.contract import Identity
from sevconf.jury.deviations import BAD, Deviation
from sevconf.reporting.normal import evidence_hash
from sevconf.reporting.record import RowRecord
from sevconf.reporting.report import Report, RuleReport
from sevconf.suite import RULE_SET_VERSION, Catalogue
from sevconf.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule came to on one target; `answers` are an unspecified rule's, `apart` why it does not count."""

    verdict: str
    passed: int
    rows: int
    apart: str
    answers: tuple[str, ...]
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class JuryRule:
    """One rule and its rulings, by target."""

    id: str
    name: str
    basis: str
    source: str
    rulings: dict[str, Ruling]


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that a core broke, with its proof; `seen` of `runs` runs showed the same evidence."""

    row: str
    target: str
    sha256: str
    command: str
    source: str
    expected: str
    observed: str
    log: tuple[str, ...]
    seen: int
    runs: int
    reason: str
    link: str


@dataclass(frozen=True, slots=True)
class Jury:
    """The whole table; `questions` are answers by question and target."""

    rule_set_version: str
    targets: dict[str, tuple[Identity, str]]
    rules: tuple[JuryRule, ...]
    findings: tuple[Finding, ...]
    questions: dict[str, dict[str, str]]
    withheld: dict[str, int]
    unexplained: tuple[str, ...]


def table(
    reports: Mapping[str, tuple[Report, ...]],
    catalogue: Catalogue,
    questions: dict[str, dict[str, str]],
    entries: Iterable[Deviation],
    *,
    everything: bool,
) -> Jury:
    """Set the reports side by side; each target's first one is whole, the others are what was run again."""
    known = {(entry.rule, entry.target): entry for entry in entries}
    first = {target: runs[0] for target, runs in reports.items()}

    def public(row: RowRecord) -> bool:
        return everything or bool(row.deviation)

    findings = [
        _finding(
            rule,
            row,
            runs=reports[target],
            source=catalogue.rules[rule.id].source,
            entry=known.get((rule.id, target)),
        )
        for target, report in first.items()
        for rule in report.rules
        for row in rule.rows
        if row.verdict in BAD and public(row) and not _younger(rule)
    ]
    withheld = {target: sum(_withheld(rule, public) for rule in report.rules) for target, report in first.items()}
    return Jury(
        rule_set_version=RULE_SET_VERSION,
        targets={target: (_stable(report.target), report.revision) for target, report in first.items()},
        rules=tuple(_rule(rule.id, first, catalogue, public) for rule in next(iter(first.values())).rules),
        findings=tuple(findings),
        questions=questions,
        withheld=withheld,
        unexplained=tuple(_unexplained(first)) + tuple(_unsteady(findings)),
    )


def _stable(identity: Identity) -> Identity:
    """Leave out the hash of our own source, which any change moves."""
    return replace(identity, sha256="") if identity.kind == "model" else identity


def _younger(rule: RuleReport) -> bool:
    return rule.apart.startswith("not required")


def _withheld(rule: RuleReport, public: Callable[[RowRecord], bool]) -> int:
    return 0 if _younger(rule) else sum(row.verdict in BAD and not public(row) for row in rule.rows)


def _rule(
    rule: str, reports: Mapping[str, Report], catalogue: Catalogue, public: Callable[[RowRecord], bool]
) -> JuryRule:
    text = catalogue.rules[rule]
    found = {target: next(r for r in report.rules if r.id == rule) for target, report in reports.items()}
    rulings = {target: _ruling(ruling, _withheld(ruling, public)) for target, ruling in found.items()}
    return JuryRule(rule, text.name, text.basis.value, text.source, rulings)


def _ruling(rule: RuleReport, withheld: int) -> Ruling:
    answers = tuple(dict.fromkeys(row.answer for row in rule.rows if row.answer))
    verdict = "withheld" if withheld else rule.verdict.value
    return Ruling(verdict, rule.passed, len(rule.rows), rule.apart, answers, withheld)


def _finding(
    rule: RuleReport,
    row: RowRecord,
    *,
    runs: tuple[Report, ...],
    source: str,
    entry: Deviation | None,
) -> Finding:
    target = runs[0].target.name
    same = [evidence_hash(again) for report in runs for again in report.rows if again.id == row.id]
    return Finding(
        row=row.id,
        target=target,
        sha256=runs[0].target.sha256,
        command=f"sevconf run --target {target} --rule {rule.id}",
        source=source,
        expected=row.expected,
        observed=row.observed,
        log=row.trace,
        seen=same.count(evidence_hash(row)),
        runs=len(same),
        reason=entry.reason if entry else "",
        link=entry.link if entry else "",
    )


def _unexplained(reports: Mapping[str, Report]) -> Iterable[str]:
    """Yield what no table should hold: bad rows of rules that count and that nobody knows, rows that show nothing."""
    for target, report in reports.items():
        for rule in report.rules:
            for row in rule.rows:
                if row.verdict in {Verdict.ERROR, Verdict.INCONCLUSIVE}:
                    yield f"{row.id} on {target} is {row.verdict}"
                elif row.verdict in BAD and not row.deviation and not rule.apart:
                    yield f"{row.id} on {target} is {row.verdict}, and no deviation is known"
        yield from report.problems


def _unsteady(findings: Iterable[Finding]) -> Iterable[str]:
    for finding in findings:
        if finding.seen < finding.runs:
            yield f"{finding.row} on {finding.target} shows the same in {finding.seen} of {finding.runs} runs only"
