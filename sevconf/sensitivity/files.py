"""
The matrix as files: sensitivity.json for programs, sensitivity.md for readers; and held against files that are there.

Both are the same from run to run: no times, no paths, everything in order.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sevconf.errors import RecordError
from sevconf.reporting.files import write
from sevconf.sensitivity.matrix import FaultRow, Matrix, RuleRow
from sevconf.sensitivity.pages import markdown

#: Name and version of the format of sensitivity.json.
SCHEMA = "sevconf-sensitivity/1"
JSON, MARKDOWN = "sensitivity.json", "sensitivity.md"
#: What of a machine does not depend on how many rules it was judged by.
_LASTING = ("bug", "party", "threat", "caught", "missed", "collateral", "silent", "unexplained")


def write_all(found: Matrix, folder: Path) -> None:
    """Write both files into a folder."""
    write(folder / JSON, to_json(found))
    write(folder / MARKDOWN, markdown(found))


def to_json(found: Matrix) -> str:
    """Return the text of sensitivity.json."""
    fields = {
        "schema": SCHEMA,
        "scope": found.scope,
        "rules": len(found.rules),
        "faults": len(found.faults),
        "caught": len(found.caught),
        "missed": len(found.missed) + len(found.uncaught),
        "unexplained": len(found.unexplained),
        "collateral": found.collateral,
        "silent": len(found.silent),
        "excused": sum(bool(row.excuse) for row in found.rules),
        "pairs_judged": found.pairs,
        "median_rules_a_fault": found.median,
        "most_rules_a_made_up_fault": found.most,
        "uncaught_rules": list(found.uncaught),
        "unmoved_rules": list(found.unmoved),
        "by_rule": [_rule(row) for row in found.rules],
        "by_fault": [_fault(row) for row in found.faults],
    }
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def _rule(row: RuleRow) -> dict[str, Any]:
    return {
        "rule": row.rule,
        "party": row.party,
        "basis": row.basis,
        "threat": row.threat.value,
        "excuse": row.excuse,
        "caught": list(row.caught),
        "collateral": list(row.collateral),
        "otherwise": list(row.otherwise),
    }


def _fault(row: FaultRow) -> dict[str, Any]:
    return {
        "fault": row.fault,
        "bug": row.bug,
        "party": row.party,
        "threat": row.threat.value,
        "judged": row.judged,
        "caught": list(row.caught),
        "missed": list(row.missed),
        "collateral": dict(row.collateral),
        "silent": dict(row.silent),
        "unexplained": list(row.unexplained),
    }


def differences(found: Matrix, folder: Path, *, whole: bool) -> Iterator[str]:
    """
    Yield what of the machines that were tried is not as the files in a folder say.

    If the `whole` of rules and machines was tried, the files may hold no others.

    Raises:
        RecordError: there is no such file, or it is none of this format.

    """
    try:
        saved = json.loads((folder / JSON).read_text(encoding="utf-8"))
        schema = saved["schema"]
        then = {row["fault"]: row for row in saved["by_fault"]}
        rules = {row["rule"] for row in saved["by_rule"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"{folder / JSON}: cannot be read: {error}", hint="`sevconf sensitivity` writes it"
        ) from error
    if schema != SCHEMA:
        raise RecordError(f"{folder / JSON}: expected the schema {SCHEMA}, not {schema!r}")
    now = {row.fault: _fault(row) for row in found.faults}
    gone = sorted(then.keys() - now.keys()) if whole else ()
    yield from (f"{fault} is there, and no fault of that name is here" for fault in gone)
    yield from (f"{fault} is not there" for fault in now if fault not in then)
    if whole:
        odd = sorted(rules ^ {row.rule for row in found.rules})
        yield from (f"the rule {rule} is {'there' if rule in rules else 'here'} only" for rule in odd)
    for fault in (fault for fault in now if fault in then):
        for name in _LASTING:
            if now[fault][name] != then[fault].get(name):
                yield f"{fault}: {name}: expected {then[fault].get(name)}, found {now[fault][name]}"
