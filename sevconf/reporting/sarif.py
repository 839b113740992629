"""
A report for code-scanning viewers: SARIF 2.1.0, one result for each row that failed and for each breach.

A result lies in the file of the judged class if the target is `FILE.py:CLASS`, else at its scenario. A deviation is an
accepted suppression; a rule that stands apart gives notes only. Nothing that passed is in it.

Spec: OASIS Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 3.14 run, 3.19 toolComponent, 3.27 result.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from sevconf.reporting.record import TOLD, BreachRecord, RowRecord
from sevconf.reporting.report import Report, RuleReport
from sevconf.suite import Catalogue
from sevconf.verdict import ExitCode, Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def sarif(report: Report, catalogue: Catalogue) -> str:
    """Return the text of report.sarif."""
    errors = [row for row in report.rows if row.verdict is Verdict.ERROR]
    run = {
        "tool": {
            "driver": {
                "name": "sevconf",
                "version": report.suite_version,
                "rules": [_rule(rule, catalogue) for rule in report.rules],
            }
        },
        "automationDetails": {"id": f"{report.target.name}/{report.profile}/"},
        "invocations": [
            {
                "executionSuccessful": report.exit_code() != ExitCode.ERROR,
                "exitCode": report.exit_code(),
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": f"{row.id}: {row.observed}"}} for row in errors
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": list(_results(report, catalogue)),
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _rule(rule: RuleReport, catalogue: Catalogue) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": rule.id,
        "shortDescription": {"text": rule.name},
        "defaultConfiguration": {"level": "note" if rule.apart else "error"},
        "properties": {"tags": [rule.party, rule.basis, *rule.claims]},
    }
    if text := catalogue.rules.get(rule.id):
        source = " ".join(text.source.split())
        fields["fullDescription"] = {"text": f"{rule.name}. {source}"}
        fields["help"] = {"text": text.mend or source}
    return fields


def _results(report: Report, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for place, rule in enumerate(report.rules):
        for row in rule.rows:
            if row.verdict in TOLD and row.verdict is not Verdict.ERROR:
                yield _result(report, rule, place, row, catalogue)
        for breach in rule.breaches:
            yield _result(report, rule, place, breach, catalogue)


def _result(
    report: Report, rule: RuleReport, place: int, found: RowRecord | BreachRecord, catalogue: Catalogue
) -> dict[str, Any]:
    row, breach = (found.id, False) if isinstance(found, RowRecord) else (found.row, True)
    unclear = isinstance(found, RowRecord) and found.verdict is Verdict.INCONCLUSIVE
    message = f"{row}{' (seen by a monitor)' if breach else ''}: {found.observed}"
    if found.expected:
        message += f"\nexpected: {found.expected}\nculprit: {found.culprit}"
    print_ = hashlib.sha256(f"{report.target.name}:{rule.id}:{row}:{breach}".encode()).hexdigest()
    result: dict[str, Any] = {
        "ruleId": rule.id,
        "ruleIndex": place,
        "kind": "review" if unclear else "fail",
        "level": "none" if unclear else "note" if rule.apart else "error",
        "message": {"text": message},
        "locations": [_location(report, rule, row, catalogue)],
        "partialFingerprints": {"sevconfRow/v1": print_},
    }
    if found.deviation:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": found.deviation}]
    return result


def _location(report: Report, rule: RuleReport, row: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return where a viewer shows it: a file of the target's, relative as it was named, or the scenario."""
    file, _, name = report.target.name.rpartition(":")
    scenario = catalogue.scenarios.get(row.partition("{")[0])
    uri, line = f"features/{rule.file}", scenario.line if scenario else 1
    if file.endswith(".py"):
        uri, line = PurePath(file).as_posix(), 1
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": f"file://{quote(uri)}" if uri.startswith("/") else quote(uri)},
            "region": {"startLine": line},
        },
        "logicalLocations": [{"fullyQualifiedName": row, **({"name": name} if name else {})}],
    }
