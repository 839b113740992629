"""
Deviations: failures that a vendor knows, has told the reason of, and will look at again on a date.

A deviations file is TOML, one `[[deviation]]` table for each rule, and all of its fields are required:

    rule = "DRV-01"              whose failures in this run it covers: rows and breaches
    target = "acme.py:Ahci"      as the report names it
    reason = "…"                 why it is borne
    link = "https://…"           where it is followed up
    expires = 2027-03-31         the last day on which it holds
    evidence = "…"               SHA-256 of the normalised evidence, in hex

A deviation changes no verdict. What it covers stays nonconforming, is marked, and does not count for the exit code. One
that covers nothing, or not what it was written for, fails the run: see `check`.
"""

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path
from urllib.parse import urlsplit

import tomli_w

from sevconf.errors import UsageError
from sevconf.reporting.record import DEVIABLE, BreachRecord, DeviationRecord, RowRecord
from sevconf.reporting.report import Report, RuleReport

_TABLE = "deviation"
_SHA256 = re.compile("[0-9a-f]{64}")
#: What differs between two runs that show the same: addresses, and places in a trace.
_VOLATILE = re.compile(r"0x[0-9a-f]+|(?<=\bstep )\d+|(?<=\bsteps )\d+(?:(?:, | and )\d+)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One entry of a deviations file."""

    rule: str
    target: str
    reason: str
    link: str
    expires: date
    evidence: str


_FIELDS = tuple(field.name for field in fields(Deviation))


def load(path: Path) -> tuple[Deviation, ...]:
    """
    Read a deviations file.

    Raises:
        UsageError: it cannot be read, or an entry is doubled, incomplete or not of the form that is asked for.

    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", hint="expected a TOML file of deviations") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    tables = document.get(_TABLE, [])
    if document.keys() - {_TABLE} or not isinstance(tables, list):
        found = ", ".join(sorted(document)) or "nothing"
        raise UsageError(f"{path}: expected [[{_TABLE}]] tables alone, not {found}")
    entries = tuple(_entry(f"{path}: deviation {number}", table) for number, table in enumerate(tables, 1))
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.rule, entry.target) in seen:
            raise UsageError(f"{path}: expected one deviation for {entry.rule} and {entry.target}, not two")
        seen.add((entry.rule, entry.target))
    return entries


def _entry(where: str, table: object) -> Deviation:
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table, not {table!r}")
    for name in table:
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, 1)
            raise UsageError(f"{where}: has no field {name!r}", hint=f"did you mean {near[0]}?" if near else "")
    words = {name: _word(where, table, name) for name in ("rule", "target", "reason", "link", "evidence")}
    expires = table.get("expires")
    if not isinstance(expires, date) or isinstance(expires, datetime):
        raise UsageError(f"{where}: expected a date in 'expires', such as 2027-03-31, not {expires!r}")
    link = urlsplit(words["link"])
    if link.scheme not in ("http", "https") or not link.netloc:
        raise UsageError(f"{where}: expected an http or https address in 'link', not {words['link']!r}")
    if not _SHA256.fullmatch(words["evidence"]):
        hint = "`sevconf deviations init` writes it"
        raise UsageError(f"{where}: expected 64 hex digits in 'evidence', not {words['evidence']!r}", hint=hint)
    return Deviation(**words, expires=expires)


def _word(where: str, table: Mapping[str, object], name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where}: expected words in {name!r}, not {value!r}", hint="every field is required")
    return value


def evidence(rule: RuleReport) -> str:
    """
    Return the SHA-256 of what a report shows against a rule, in hex.

    It covers which rows failed and which breaches were charged, with expected, observed and culprit of each. Addresses
    and places in the trace are left out, for these may differ where the failure is the same.
    """
    found = sorted({_normal(failure) for failure in _failures(rule)})
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _failures(rule: RuleReport) -> Iterator[RowRecord | BreachRecord]:
    yield from (row for row in rule.rows if row.verdict in DEVIABLE)
    yield from rule.breaches


def _normal(found: RowRecord | BreachRecord) -> str:
    where = found.id if isinstance(found, RowRecord) else f"breach in {found.row}"
    kind = found.verdict.value if isinstance(found, RowRecord) else "breach"
    words = (_VOLATILE.sub("…", text) for text in (found.expected, found.observed, found.culprit))
    return json.dumps([where, kind, *words])


def apply(report: Report, deviations: Iterable[Deviation], today: date) -> Report:
    """Mark in a report what deviations cover, and keep with it each of them, with why it fails the run if it does."""
    rules = {rule.id: rule for rule in report.rules}
    records = []
    for entry in deviations:
        rule = rules.get(entry.rule)
        if rule is None and report.selection and entry.target == report.target.name:
            continue  # its rule was not run
        refused = check(entry, report, rule, today)
        words = {name: getattr(entry, name) for name in _FIELDS}
        records.append(DeviationRecord(**{**words, "expires": entry.expires.isoformat(), "refused": refused}))
        if rule is not None and not refused:
            rules[rule.id] = _covered(rule, f"{entry.reason} ({entry.link}; until {entry.expires.isoformat()})")
    return replace(report, rules=tuple(rules.values()), deviations=tuple(records))


def _covered(rule: RuleReport, why: str) -> RuleReport:
    rows = tuple(replace(row, deviation=why) if row.verdict in DEVIABLE else row for row in rule.rows)
    return replace(rule, rows=rows, breaches=tuple(replace(breach, deviation=why) for breach in rule.breaches))


def check(entry: Deviation, report: Report, rule: RuleReport | None, today: date) -> str:
    """Say why a deviation fails the run, or nothing if it holds; `rule` is its rule in the report, if it is there."""
    if entry.target != report.target.name:
        return f"matches nothing: the target is {report.target.name}"
    if rule is None:
        return f"matches nothing: the run has no rule {entry.rule}"
    if rule.apart:
        return f"matches nothing: {rule.id} does not count here ({rule.apart})"
    if not any(_failures(rule)):
        return f"matches nothing: {rule.id} is {rule.verdict}"
    if entry.expires < today:
        return f"expired on {entry.expires.isoformat()}"
    if (found := evidence(rule)) != entry.evidence:
        return f"the evidence is another one now: {found}"
    return ""


def draft(report: Report, *, reason: str, link: str, expires: date) -> str:
    """Return the text of a deviations file that covers all that fails in a report."""
    tables = [
        {
            "rule": rule.id,
            "target": report.target.name,
            "reason": reason,
            "link": link,
            "expires": expires,
            "evidence": evidence(rule),
        }
        for rule in report.rules
        if not rule.apart and any(_failures(rule))
    ]
    return tomli_w.dumps({_TABLE: tables})
