"""
What a report says, as plain sections and findings; `table` and `markdown` only give them a form.

Every kind of verdict is in the totals, also when zero.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.reporting.record import TOLD, BreachRecord, RowRecord
from sevconf.reporting.report import Report, RuleReport
from sevconf.verdict import Verdict

#: Breaches of one rule that are told whole, beside its own rows.
SHOWN = 2


@dataclass(frozen=True, slots=True)
class Section:
    """One table with a heading."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that went wrong, as a proof: fields in order, then the lines of the trace."""

    title: str
    fields: tuple[tuple[str, str], ...]
    excerpt: tuple[str, ...]


def head(report: Report) -> tuple[tuple[str, str], ...]:
    """Say what was judged, by what."""
    target = report.target
    package = f", {target.package} {target.version}".rstrip() if target.package else ""
    return (
        ("target", f"{target.name} ({target.kind}{package}), sha256 {target.sha256 or 'unknown'}"),
        ("revision", report.revision),
        ("profile", report.profile),
        ("seed", str(report.seed)),
        ("suite", f"sevconf {report.suite_version}, rules {report.rule_set_version}, sha256 {report.suite_sha256}"),
        *((("rules", f"only {', '.join(report.selection)}"),) if report.selection else ()),
        *(("tool", f"{name} {version}") for name, version in target.tools),
        *(("limit", limit) for limit in target.limits),
    )


def sections(report: Report) -> Iterator[Section]:
    """Yield the tables of a report; those without rows are left out, except claims and totals."""
    yield _claims(report)
    counted = tuple(rule for rule in report.rules if not rule.apart)
    yield Section(
        "Rules",
        ("rule", "sentence", "judges", "verdict", "passed", "breaches"),
        tuple((rule.id, rule.name, rule.party, *_score(rule)) for rule in counted),
    )
    apart = tuple(rule for rule in report.rules if rule.apart)
    if apart:
        yield Section(
            "Shown apart: these rules do not count here",
            ("rule", "sentence", "why apart", "verdict", "passed", "breaches"),
            tuple((rule.id, rule.name, rule.apart, *_score(rule)) for rule in apart),
        )
    yield _folders(report)
    answers = tuple((rule.id, row.id, row.answer) for rule in apart for row in rule.rows if row.answer)
    if answers:
        yield Section("Answers to what the specification leaves open", ("rule", "row", "answer"), answers)
    yield from _unjudged(report)
    if report.deviations:
        yield deviated(report)
    yield _totals(report)


def _score(rule: RuleReport) -> tuple[str, str, str]:
    return str(rule.verdict), f"{rule.passed}/{len(rule.rows)}", str(len(rule.breaches) or "")


def _claims(report: Report) -> Section:
    rows = tuple(
        (claim.id, claim.sentence, " ".join(claim.rules), str(claim.verdict), f"{claim.passed}/{claim.rows}")
        for claim in report.claims
    )
    return Section("Claims", ("claim", "sentence", "rules", "verdict", "passed"), rows)


def _folders(report: Report) -> Section:
    folders = sorted({rule.folder for rule in report.rules})
    kinds = (*TOLD, Verdict.PASSED, Verdict.UNSUPPORTED, Verdict.NOT_JUDGED, Verdict.NOT_COUNTED)
    rows = []
    for folder in folders:
        rules = [rule for rule in report.rules if rule.folder == folder]
        count = Counter(Verdict.NOT_COUNTED if rule.apart else row.verdict for rule in rules for row in rule.rows)
        rows.append((folder, str(len(rules)), *(str(count[kind]) for kind in kinds)))
    return Section("Scenarios by folder", ("folder", "rules", *map(str, kinds)), tuple(rows))


def _unjudged(report: Report) -> Iterator[Section]:
    kinds = (Verdict.UNSUPPORTED, Verdict.NOT_JUDGED)
    count = Counter((str(row.verdict), row.observed) for row in report.rows if row.verdict in kinds)
    if count:
        rows = tuple((kind, why, str(number)) for (kind, why), number in sorted(count.items()))
        yield Section("Why scenarios were left out", ("verdict", "because", "scenarios"), rows)
    reasons = tuple((claim.id, claim.reason) for claim in report.claims if claim.reason)
    if reasons:
        yield Section("Why claims are not testable", ("claim", "because"), reasons)


def deviated(report: Report) -> Section:
    """Return the deviations that a run was given, and what became of them."""
    rows = tuple((d.rule, d.reason, d.link, d.expires, d.refused or "covers it") for d in report.deviations)
    return Section("Deviations", ("rule", "reason", "link", "expires", "which"), rows)


def _totals(report: Report) -> Section:
    totals = report.totals()
    rows = tuple((str(kind), *(str(table[kind]) for table in totals.values())) for kind in Verdict)
    sums = ("all", *(str(sum(table.values())) for table in totals.values()))
    return Section("Totals", ("verdict", *totals), (*rows, sums))


def findings(report: Report) -> Iterator[Finding]:
    """Yield a proof for every row that did not pass and for every breach, rule by rule."""
    for rule in report.rules:
        for row in rule.rows:
            if row.verdict in TOLD:
                yield _of_row(rule, row)
        yield from _breaches(rule)


def _breaches(rule: RuleReport) -> Iterator[Finding]:
    """Tell a rule's breaches, but for those that its own rows have told; of many, the first ones and where to look."""
    told = {row.id for row in rule.rows if row.verdict in TOLD}
    others = [breach for breach in rule.breaches if breach.row not in told]
    for breach in others[:SHOWN]:
        yield _of_breach(rule, breach)
    if len(others) > SHOWN:
        rows = tuple(("row", breach.row) for breach in others[SHOWN:])
        yield Finding(f"{len(others) - SHOWN} more breaches of {rule.id}, told in the report alone", rows, ())


def _of_row(rule: RuleReport, row: RowRecord) -> Finding:
    return Finding(f"{row.verdict}: {rule.id} {rule.name}", _fields(rule, row, row.id), row.trace)


def _of_breach(rule: RuleReport, breach: BreachRecord) -> Finding:
    fields = _fields(rule, breach, f"{breach.row}, whose own verdict is apart from this")
    later = tuple(("later", line.strip()) for line in breach.consequences)
    return Finding(f"breach: {rule.id} {rule.name}", (*fields, *later), breach.trace)


def _fields(rule: RuleReport, found: RowRecord | BreachRecord, row: str) -> tuple[tuple[str, str], ...]:
    every = (
        ("apart", rule.apart),
        ("deviation", found.deviation),
        ("row", row),
        ("expected", found.expected),
        ("observed", found.observed),
        ("culprit", found.culprit),
    )
    return tuple((name, text) for name, text in every if text)


def outcome(report: Report) -> str:
    """Say in one line what the run comes to."""
    table = report.totals()["scenarios"]
    counts = ", ".join(f"{count} {kind}" for kind, count in table.items() if count)
    covered = sum(bool(row.deviation) for row in report.rows)
    covered += sum(bool(breach.deviation) for rule in report.rules for breach in rule.breaches)
    known = f"; {covered} covered by deviations" if covered else ""
    known += f"; {_many(len(report.refused), 'deviation')} refused" if report.refused else ""
    broken = [len(rule.breaches) for rule in report.rules if rule.breaches and not rule.apart]
    rules = _many(len(broken), "rule")
    times = "once" if sum(broken) == 1 else f"{sum(broken)} times"
    charged = f"; monitors saw {rules} broken, {times}" if broken else ""
    words = {0: "conforms", 1: "does not conform", 3: "is not judged: an error of ours", 4: "is not shown to conform"}
    code = report.exit_code()
    if covered and code == 0:
        words[0] = "conforms but for its deviations"
    known += f"; {'; '.join(report.problems)}" if report.problems else ""
    return f"{report.target.name} {words[code]}: {counts or 'no scenarios'}{charged}{known} (exit code {code})"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
