"""
Known deviations: where a real core breaks a rule, and that is public already.

They stand in `deviations.toml`, one entry a rule and target. A deviation changes no verdict: its rows stay what they
are, are marked, and do not count for the exit code. An entry has to be true: one that matches nothing, whose rule
passes, whose evidence is another one or whose date has passed fails the run.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path

from sevconf.errors import SuiteError
from sevconf.reporting.normal import evidence_hash
from sevconf.reporting.record import RowRecord
from sevconf.suite import Catalogue
from sevconf.verdict import Verdict

FILE = Path(__file__).with_name("deviations.toml")
#: What a deviation can stand for.
BAD = frozenset({Verdict.NONCONFORMING, Verdict.TARGET_FAILED})


@dataclass(frozen=True, slots=True)
class Deviation:
    """
    One entry: `link` is where it is public, `expires` the last day on which it holds.

    `evidence` is the SHA-256 over the evidence of all rows of the rule that are bad on the target.
    """

    rule: str
    target: str
    reason: str
    link: str
    expires: date
    evidence: str


def load(path: Path = FILE) -> tuple[Deviation, ...]:
    """
    Read the entries.

    Raises:
        SuiteError: the file is not as it should be.

    """
    names = {field.name for field in fields(Deviation)}
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("deviation", [])
        read = []
        for entry in entries:
            if entry.keys() != names or not all(entry.values()) or not isinstance(entry["expires"], date):
                raise SuiteError(f"{path.name}: expected the fields {', '.join(sorted(names))}, not {entry}")
            read.append(Deviation(**entry))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SuiteError(f"{path.name}: {error}") from error
    keys = [(entry.rule, entry.target) for entry in read]
    if doubled := [key for key in keys if keys.count(key) > 1]:
        raise SuiteError(f"{path.name}: there are two entries for {doubled[0][0]} on {doubled[0][1]}")
    return tuple(read)


def evidence(records: Iterable[RowRecord]) -> str:
    """Return the SHA-256 over the evidence of those records that are bad."""
    bad = sorted((record for record in records if record.verdict in BAD), key=lambda record: record.id)
    return hashlib.sha256("\n".join(evidence_hash(record) for record in bad).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Held:
    """Records with their deviations marked, and what is wrong with the entries."""

    records: tuple[RowRecord, ...]
    problems: tuple[str, ...]


def hold(
    records: Iterable[RowRecord],
    catalogue: Catalogue,
    target: str,
    rules: frozenset[str],
    *,
    entries: Iterable[Deviation],
    today: date,
) -> Held:
    """Hold the records of a run of these rules on a target against the entries for that target."""
    by_rule: dict[str, list[RowRecord]] = {}
    kept = {record.id: record for record in records}
    rows: Mapping[str, str] = {row.id: row.rule for row in catalogue.rows.values()}
    for record in kept.values():
        by_rule.setdefault(rows[record.id], []).append(record)
    problems = []
    for entry in entries:
        if entry.target != target or (entry.rule in catalogue.rules and entry.rule not in rules):
            continue
        own = by_rule.get(entry.rule, [])
        if problem := _problem(entry, own, today):
            problems.append(f"the deviation {entry.rule} on {entry.target} {problem}")
            continue
        kept.update({record.id: replace(record, deviation=entry.link) for record in own if record.verdict in BAD})
    return Held(tuple(kept.values()), tuple(problems))


def _problem(entry: Deviation, records: list[RowRecord], today: date) -> str:
    if not records:
        return "matches nothing: there is no such rule"
    if not any(record.verdict in BAD for record in records):
        verdicts = ", ".join(sorted({str(record.verdict) for record in records}))
        return f"is none any more: all rows of the rule are {verdicts}"
    if (found := evidence(records)) != entry.evidence:
        return f"has other evidence: expected {entry.evidence}, not {found}"
    return f"expired on {entry.expires}" if today > entry.expires else ""
