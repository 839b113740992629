"""
What a run leaves behind, as values: one record a row, which is all that passes from where rows run to where they count.

Records cross processes as JSON, so they hold nothing but words, numbers and tuples of them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sevconf.errors import RecordError
from sevconf.verdict import Verdict

#: Verdicts of a row that are told one by one, with what was seen.
TOLD = (Verdict.ERROR, Verdict.TARGET_FAILED, Verdict.NONCONFORMING, Verdict.INCONCLUSIVE)
#: Verdicts of a row that a deviation may cover.
DEVIABLE = (Verdict.NONCONFORMING, Verdict.TARGET_FAILED)


@dataclass(frozen=True, slots=True)
class BreachRecord:
    """
    A breach that a monitor charged to its own rule, and the row in which it was seen.

    `deviation` says why it is borne, if a deviation covers it.
    """

    rule: str
    row: str
    expected: str
    observed: str
    culprit: str
    trace: tuple[str, ...] = ()
    consequences: tuple[str, ...] = ()
    deviation: str = ""


@dataclass(frozen=True, slots=True)
class RowRecord:
    """
    What became of one row.

    `observed` says in words what decided it, for every verdict but passed. `trace` is the excerpt that
    proves it. `answer` is what a row of an unspecified rule found out. `trace_sha256` is of its whole trace, or
    None where that would differ from run to run. `step` is the place, from 1, of the scenario's step that decided it,
    or None if none did. `deviation` says why the row is borne, if a deviation covers it.
    """

    id: str
    verdict: Verdict
    expected: str = ""
    observed: str = ""
    culprit: str = ""
    trace: tuple[str, ...] = ()
    answer: str = ""
    trace_sha256: str | None = None
    breaches: tuple[BreachRecord, ...] = ()
    step: int | None = None
    deviation: str = ""
    #: How long it took; kept out of the report.
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DeviationRecord:
    """A deviation that a run was given: its fields, and in `refused` why it fails the run, if it does."""

    rule: str
    target: str
    reason: str
    link: str
    expires: str
    evidence: str
    refused: str = ""


def breach_from(fields: Mapping[str, Any]) -> BreachRecord:
    """Read a breach back from its fields."""
    lists = {name: tuple(fields[name]) for name in ("trace", "consequences")}
    return BreachRecord(**{**fields, **lists})


def row_from(fields: Mapping[str, Any]) -> RowRecord:
    """Read a row back from its fields."""
    return RowRecord(
        **{
            **fields,
            "verdict": Verdict(fields["verdict"]),
            "trace": tuple(fields["trace"]),
            "breaches": tuple(breach_from(breach) for breach in fields["breaches"]),
        }
    )


def encode_row(record: RowRecord) -> str:
    """Write a row as one line of JSON."""
    return json.dumps(asdict(record) | {"verdict": record.verdict.value}, separators=(",", ":"))


def decode_row(line: str) -> RowRecord:
    """
    Read a row from its line.

    Raises:
        RecordError: it is none.

    """
    try:
        return row_from(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"not the record of a row: {line[:80]!r}") from error
