"""
Evidence without what differs from run to run: for targets that run in real time, such as firmware in QEMU.

Addresses, keys, step numbers and counts beyond one give way to an ellipsis; sentences, names, levels and statuses stay.
"""

import hashlib
import re
from dataclasses import replace

from sevconf.reporting.record import BreachRecord, RowRecord

_VARYING = (
    (re.compile(r"\b(map_key|memory|buffer|needed_size|MapKey)([= ])0x[0-9a-f]+"), r"\1\2…"),
    (re.compile(r"\bat 0x[0-9a-f]+"), "at …"),
    (re.compile(r"\bfound 0x[0-9a-f]+"), "found …"),
    (re.compile(r"\bstep \d+"), "step …"),
    (re.compile(r"\bran (?![01] )\d+ times"), "ran … times"),
    (re.compile(r"\b\d+ (ranges|bytes|changes)\b"), r"… \1"),
    (re.compile(r"^([> ]) +\d+(?=  TPL_)"), r"\1 …"),
)


def timeless(text: str) -> str:
    """Return a sentence, or a line of an excerpt, without what varies."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return text


def normalised(record: RowRecord) -> RowRecord:
    """Return a row's record without what varies, and without the hash of its trace."""
    return replace(
        record,
        expected=timeless(record.expected),
        observed=timeless(record.observed),
        trace=tuple(timeless(line) for line in record.trace),
        breaches=tuple(_breach(breach) for breach in record.breaches),
        trace_sha256=None,
    )


def _breach(breach: BreachRecord) -> BreachRecord:
    return replace(
        breach,
        expected=timeless(breach.expected),
        observed=timeless(breach.observed),
        trace=tuple(timeless(line) for line in breach.trace),
        consequences=tuple(timeless(line) for line in breach.consequences),
    )


def evidence_hash(record: RowRecord) -> str:
    """Return the SHA-256 of what a row shows: verdict, sentences, culprit and proof, without what varies."""
    plain = normalised(record)
    lines = (plain.id, plain.verdict.value, plain.expected, plain.observed, plain.culprit, plain.answer, *plain.trace)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
