"""
Traces as JSON lines, versioned.

The first line is a header `{"format": "sevconf-trace", "version": 1}` with the row's id; every other line is one entry:
its kind, then its fields by name. Enumerations are written by name, bits of a register as a number, findings as lists.
The text is the same for the same trace, byte for byte.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import Enum, Flag
from typing import Any, get_args, get_type_hints

from sevconf.errors import RecordError
from sevconf.trace import entries
from sevconf.trace.entries import Entry, Finding
from sevconf.trace.log import Trace

FORMAT = "sevconf-trace"
VERSION = 1

#: Every kind of entry by its name in a file.
KINDS: dict[str, type[Entry]] = {
    kind.__name__: kind
    for kind in vars(entries).values()
    if isinstance(kind, type) and issubclass(kind, Entry) and kind is not Entry
}


def _enum_of(hint: Any) -> type[Enum] | None:
    for option in get_args(hint) or (hint,):
        if isinstance(option, type) and issubclass(option, Enum):
            return option
    return None


_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS.values()}
_ENUMS = {
    kind: {name: enum for name, hint in get_type_hints(kind).items() if (enum := _enum_of(hint)) is not None}
    for kind in KINDS.values()
}


def _plain(value: Any) -> Any:
    if isinstance(value, Flag):  # a register's bits: no set of them has a name for sure
        return value.value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Finding):
        return [value.secret, value.offset, value.gpa, value.length]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def encode_entry(entry: Entry) -> str:
    """Write one entry as one line of JSON, without the newline."""
    kind = type(entry)
    record = {"kind": kind.__name__} | {name: _plain(getattr(entry, name)) for name in _FIELDS[kind]}
    return json.dumps(record, separators=(",", ":"))


def decode_entry(line: str) -> Entry:
    """
    Read one line back.

    Raises:
        RecordError: the line is no entry of this version.

    """
    try:
        record = json.loads(line)
        kind = KINDS[record.pop("kind")]
        for name, enum in _ENUMS[kind].items():
            if record.get(name) is not None:
                record[name] = enum[record[name]]
        for name in ("arguments", "results"):
            if name in record:
                record[name] = tuple((key, value) for key, value in record[name])
        if "findings" in record:
            record["findings"] = tuple(Finding(*finding) for finding in record["findings"])
        return kind(**record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"not an entry of a trace: {line[:80]!r}", hint=f"{type(error).__name__}: {error}") from error


def encode(trace: Iterable[Entry], row: str = "") -> Iterator[str]:
    """Yield the lines of a trace file, header first, without newlines."""
    yield json.dumps({"format": FORMAT, "version": VERSION, "row": row}, separators=(",", ":"))
    for entry in trace:
        yield encode_entry(entry)


def decode(lines: Iterable[str]) -> tuple[str, Trace]:
    """
    Read a trace file; returns the row's id and the trace.

    Raises:
        RecordError: no header, another version, or a line that is no entry or out of order.

    """
    source = iter(lines)
    try:
        header = json.loads(next(source, ""))
        version = (header["format"], header["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError("not a trace: no header line", hint=f'expected {{"format":"{FORMAT}",…}} first') from error
    if version != (FORMAT, VERSION):
        raise RecordError(f"expected {FORMAT} version {VERSION}, not {version[0]} version {version[1]}")
    trace = Trace()
    for line in source:
        if line.strip():
            entry = decode_entry(line)
            try:
                trace.append(entry)
            except ValueError as error:
                raise RecordError(f"a step is missing or doubled: {error}") from error
    return str(header.get("row", "")), trace


def digest(trace: Iterable[Entry], row: str = "") -> str:
    """Return the SHA-256 of the trace's file text, in hex."""
    text = hashlib.sha256()
    for line in encode(trace, row):
        text.update(line.encode() + b"\n")
    return text.hexdigest()
