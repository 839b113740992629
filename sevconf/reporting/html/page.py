"""What the pages show, gathered for their templates: the report, the text of its rules, and drawings of its traces."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from sevconf.errors import RecordError
from sevconf.reporting.compare import Side
from sevconf.reporting.files import trace_file
from sevconf.reporting.html.exposure import exposure
from sevconf.reporting.html.sequence import sequence
from sevconf.reporting.record import TOLD, BreachRecord, RowRecord
from sevconf.reporting.report import ClaimReport, Report, RuleReport
from sevconf.reporting.sections import deviated, head, outcome
from sevconf.suite import Catalogue, Rule, Scenario
from sevconf.trace import Trace
from sevconf.trace.codec import decode, digest
from sevconf.verdict import Verdict

#: How many characters of drawings a page holds, so that it opens at once.
ROOM = 4_000_000
_PROOF = re.compile(r"^> +(\d+)  ", re.MULTILINE)
_KIND = re.compile(r"[{,]on=([\w-]+)")


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of a scenario; `failed` says in how many rows it was the one that decided against the target."""

    keyword: str
    text: str
    failed: int


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """One scenario: its sentences and its rows."""

    id: str
    title: str
    lines: tuple[Line, ...]
    rows: tuple[RowRecord, ...]


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule: its report, its text if the suite at hand has it, and what was seen of its breaches."""

    report: RuleReport
    text: Rule | None
    scenarios: tuple[ScenarioView, ...]

    @property
    def told(self) -> bool:
        """Whether something of it has to be read."""
        return bool(self.report.breaches) or any(row.verdict in TOLD for row in self.report.rows)


@cache
def _environment() -> Environment:
    loader = PackageLoader("sevconf.reporting.html", "templates")
    found = Environment(
        loader=loader,
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.globals["file"] = lambda name: Markup(loader.get_source(found, name)[0])  # noqa: S704 -- files of ours
    return found


def report_page(report: Report, catalogue: Catalogue, traces: Path | None = None) -> str:
    """Return report.html; `traces` is the folder in which traces of its rows may lie."""
    views = tuple(_view(rule, catalogue.rules.get(rule.id)) for rule in report.rules)
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            head=head(report),
            outcome=outcome(report),
            totals=report.totals(),
            verdicts=tuple(Verdict),
            matrix=tuple(_matrix(report)),
            views=views,
            deviations=deviated(report),
            drawings=_drawings(report, traces) if traces else {},
            same_text=catalogue.hash == report.suite_sha256,
            told=TOLD,
        )
    )


def comparison_page(sides: tuple[Side, ...], notes: tuple[str, ...]) -> str:
    """Return the page that shows several reports side by side."""
    names = {rule.id: rule.name for side in sides for rule in side.report.rules}
    claims = {claim.id: claim.sentence for side in sides for claim in side.report.claims}
    return (
        _environment()
        .get_template("compare.html")
        .render(
            sides=sides,
            notes=notes,
            verdicts=tuple(Verdict),
            rules=tuple(
                (rule, name, tuple(side.rules.get(rule) for side in sides)) for rule, name in sorted(names.items())
            ),
            claims=tuple(
                (claim, words, tuple(side.claims.get(claim) for side in sides)) for claim, words in claims.items()
            ),
            outcomes=tuple(outcome(side.report) for side in sides),
        )
    )


def _matrix(report: Report) -> Iterator[tuple[ClaimReport, RuleReport | None]]:
    """Yield each claim with each of its rules, and claims that have none; then rules that serve no claim shown."""
    rules = {rule.id: rule for rule in report.rules}
    for claim in report.claims:
        for rule in claim.rules:
            yield claim, rules[rule]
        if not claim.rules:
            yield claim, None


def _view(rule: RuleReport, text: Rule | None) -> RuleView:
    found = []
    for scenario in text.scenarios if text else ():
        rows = tuple(row for row in rule.rows if row.id.partition("{")[0] == scenario.id)
        found.append(ScenarioView(scenario.id, scenario.title, tuple(_lines(scenario, rows)), rows))
    known = {row.id for view in found for row in view.rows}
    others = tuple(row for row in rule.rows if row.id not in known)
    if others:
        found.append(ScenarioView("", "Rows whose scenario the suite at hand does not have", (), others))
    return RuleView(rule, text, tuple(found))


def _lines(scenario: Scenario, rows: tuple[RowRecord, ...]) -> Iterator[Line]:
    before = ""
    for place, step in enumerate(scenario.steps, 1):
        failed = sum(row.step == place and row.verdict in TOLD for row in rows)
        yield Line("And" if step.type == before else step.type.capitalize(), step.text, failed)
        before = step.type


def _drawings(report: Report, folder: Path) -> dict[str, tuple[Markup, Markup]]:
    """Draw the traces that are at hand, while there is room: of failures first, one of each rule, then the others."""
    found: dict[str, tuple[Markup, Markup]] = {}
    room = ROOM
    for row, proof in _worth_drawing(report):
        trace = _trace(folder, row)
        if trace is None or room <= 0:
            continue
        steps = frozenset(int(step) for step in _PROOF.findall("\n".join(proof)))
        kind = _KIND.search(row.id)
        pictures = (
            sequence(trace, steps, f"Sequence diagram of {row.id}"),
            exposure(trace, kind.group(1) if kind else "", f"Memory exposure in {row.id}"),
        )
        found[row.id] = pictures
        room -= sum(map(len, pictures))
    return found


def _worth_drawing(report: Report) -> Iterator[tuple[RowRecord, tuple[str, ...]]]:
    rows = {row.id: row for row in report.rows}
    proofs: dict[str, tuple[str, ...]] = {}
    first: list[str] = []
    for rule in report.rules:
        told: list[RowRecord | BreachRecord] = [row for row in rule.rows if row.verdict in TOLD]
        told += rule.breaches
        for place, record in enumerate(told):
            name = record.id if isinstance(record, RowRecord) else record.row
            proofs[name] = (*proofs.get(name, ()), *record.trace)
            if not place:
                first.append(name)
    one_each = (rule.rows[0].id for rule in report.rules if rule.rows)
    for name in dict.fromkeys((*first, *proofs, *one_each, *rows)):
        if name in rows:
            yield rows[name], proofs.get(name, ())


def _trace(folder: Path, row: RowRecord) -> Trace | None:
    """Return the row's trace if it lies there and is the one that the report speaks of."""
    try:
        name, trace = decode((folder / trace_file(row.id)).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError, RecordError):
        return None
    if name != row.id or (row.trace_sha256 is not None and digest(trace, row.id) != row.trace_sha256):
        return None
    return trace
