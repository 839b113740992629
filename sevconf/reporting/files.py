"""
Reports as files: report.json, which is the record, and what is made from it for other readers.

report.json is the same from run to run: no times, no paths, everything in order. It ends in a footer with the number of
rows expected, so that a report cut short is known as such; a file is written beside its name and renamed when whole.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sevconf.contract import Identity
from sevconf.errors import RecordError, SevconfError
from sevconf.reporting.junit import junit
from sevconf.reporting.markdown import markdown
from sevconf.reporting.record import BreachRecord, DeviationRecord, RowRecord, breach_from, row_from
from sevconf.reporting.report import ClaimReport, Report, RuleReport
from sevconf.verdict import Verdict

#: Name and version of the format of report.json.
SCHEMA = "sevconf-report/1"
REPORT, TIMINGS, MARKDOWN, JUNIT = "report.json", "timings.json", "conformance.md", "junit.xml"
#: The folder beside it that holds traces.
TRACES = "traces"

_BREACH = {"trace": (), "consequences": (), "deviation": ""}
_ROW = {
    "expected": "",
    "observed": "",
    "culprit": "",
    "trace": (),
    "answer": "",
    "breaches": (),
    "step": None,
    "deviation": "",
}


def write_all(report: Report, records: Iterable[RowRecord], folder: Path) -> None:
    """Write the report and its companions into a folder; the report comes last, when all else is there."""
    write(folder / MARKDOWN, markdown(report))
    write(folder / JUNIT, junit(report))
    timings = {record.id: round(record.seconds, 6) for record in sorted(records, key=lambda record: record.id)}
    write(folder / TIMINGS, json.dumps(timings, indent=1) + "\n")
    write(folder / REPORT, to_json(report))


def trace_file(row: str) -> str:
    """Return the name of a row's trace file: its id, with what file names cannot hold written as %XX."""
    name = quote(row, safe="{}=, ")
    return f"{name if len(name) <= 200 else name[:180] + hashlib.sha256(row.encode()).hexdigest()[:16]}.jsonl"


def write(path: Path, text: str) -> None:
    """
    Write a whole file, or none.

    Raises:
        SevconfError: it cannot be written, as on a full disk.

    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise SevconfError(f"{path}: cannot be written: {error}", hint="make room for it, and run again") from error


def to_json(report: Report) -> str:
    """Return the text of report.json."""
    return json.dumps(_fields(report), indent=1, ensure_ascii=False) + "\n"


def _fields(report: Report) -> dict[str, Any]:
    deviations = {"deviations": [asdict(deviation) for deviation in report.deviations]} if report.deviations else {}
    return {
        "schema": SCHEMA,
        "suite_version": report.suite_version,
        "rule_set_version": report.rule_set_version,
        "target": {**asdict(report.target), "tools": dict(report.target.tools), "revision": report.revision},
        "profile": report.profile,
        "seed": report.seed,
        "selection": list(report.selection),
        "totals": _totals(report),
        "rules": [_rule(rule) for rule in report.rules],
        "claims": [{**asdict(claim), "verdict": claim.verdict.value} for claim in report.claims],
        **({"problems": list(report.problems)} if report.problems else {}),
        **deviations,
        "footer": {"expected": len(report.rows), "suite_sha256": report.suite_sha256},
    }


def _identity(fields: dict[str, Any]) -> Identity:
    lists = {"tools": tuple(fields["tools"].items()), "limits": tuple(fields.get("limits", ()))}
    return Identity(**{**fields, **lists})


def _rule(rule: RuleReport) -> dict[str, Any]:
    fields = asdict(rule) | {"verdict": rule.verdict.value}
    del fields["rows"]
    fields["scenarios"] = [_row(row) for row in rule.rows]
    fields["breaches"] = [_breach(breach) for breach in rule.breaches]
    return fields


def _row(row: RowRecord) -> dict[str, Any]:
    fields = asdict(row) | {"verdict": row.verdict.value}
    del fields["seconds"], fields["breaches"]  # a breach stands with the rule that it is charged to
    return {name: value for name, value in fields.items() if value != _ROW.get(name, ...)}


def _breach(breach: BreachRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(breach).items() if value != _BREACH.get(name, ...)}


def read_report(path: Path) -> Report:
    """
    Read a report back, from its file or the folder that holds it.

    Raises:
        RecordError: there is none, or it is truncated, doubled, foreign or does not add up.

    """
    file = path / REPORT if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}", hint=f"expected a folder with {REPORT}") from error
    try:
        return from_json(text)
    except RecordError as error:
        raise RecordError(f"{path}: {error.message}", hint=error.hint) from error


def from_json(text: str) -> Report:
    """
    Read the text of a report.json.

    Raises:
        RecordError: it is truncated, doubled, foreign or does not add up.

    """
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise RecordError(f"no whole JSON document: {error}", hint="it is cut short, or two are in one file") from error
    schema = fields.get("schema") if isinstance(fields, dict) else None
    if schema != SCHEMA:
        raise RecordError(f"expected a report of schema {SCHEMA}, not {schema!r}")
    try:
        report = _report(fields)
        expected = fields["footer"]["expected"]
        totals = fields["totals"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"not a whole report: {type(error).__name__}: {error}") from error
    _check(report, expected, totals)
    return report


def _check(report: Report, expected: int, totals: object) -> None:
    for word, ids in (
        ("row", [row.id for row in report.rows]),
        ("rule", [rule.id for rule in report.rules]),
        ("claim", [claim.id for claim in report.claims]),
    ):
        doubled = sorted(name for name, count in Counter(ids).items() if count > 1)
        if doubled:
            hint = "it was put together from two reports"
            raise RecordError(f"holds the {word} {doubled[0]} more than once", hint=hint)
    found = len(report.rows)
    if found != expected:
        raise RecordError(f"expected {expected} rows, as its footer says, not {found}", hint="it is cut short")
    if totals != _totals(report):
        raise RecordError("its totals are not those of its rows, rules and claims", hint="it was changed by hand")


def _totals(report: Report) -> dict[str, dict[str, int]]:
    return {name: {kind.value: count for kind, count in table.items()} for name, table in report.totals().items()}


def _report(fields: Mapping[str, Any]) -> Report:
    target = dict(fields["target"])
    revision = target.pop("revision")
    return Report(
        suite_version=fields["suite_version"],
        rule_set_version=fields["rule_set_version"],
        target=Identity(
            **{**target, "tools": tuple(target["tools"].items()), "limits": tuple(target.get("limits", ()))}
        ),
        revision=revision,
        profile=fields["profile"],
        seed=fields["seed"],
        selection=tuple(fields["selection"]),
        rules=tuple(_read_rule(rule) for rule in fields["rules"]),
        claims=tuple(
            ClaimReport(**{**claim, "verdict": Verdict(claim["verdict"]), "rules": tuple(claim["rules"])})
            for claim in fields["claims"]
        ),
        suite_sha256=fields["footer"]["suite_sha256"],
        problems=tuple(fields.get("problems", ())),
        deviations=tuple(DeviationRecord(**deviation) for deviation in fields.get("deviations", ())),
    )


def _read_rule(fields: Mapping[str, Any]) -> RuleReport:
    others = {name: value for name, value in fields.items() if name != "scenarios"}
    return RuleReport(
        **{
            **others,
            "claims": tuple(fields["claims"]),
            "verdict": Verdict(fields["verdict"]),
            "rows": tuple(row_from({**_ROW, **row}) for row in fields["scenarios"]),
            "breaches": tuple(breach_from({**_BREACH, **breach}) for breach in fields["breaches"]),
        }
    )
