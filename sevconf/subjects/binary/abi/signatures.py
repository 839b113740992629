"""
Signatures of services and protocol members, as tables in one small notation.

A line is `Name(parameter: KIND, parameter: out KIND, parameter: inout KIND) -> KIND`, or `Name: KIND` for a datum of
a protocol. Without `->` it returns EFI_STATUS. `out` and `inout` are pointers to a value; `?` behind the kind lets the
pointer be NULL. A kind is what a value is on its way to Python, see `KINDS`.

Spec: UEFI 2.10, 2.3.1 "Data Types".
"""

import re
from dataclasses import dataclass
from enum import Enum

_LINE = re.compile(r"(?P<name>\w+)(?:\((?P<parameters>.*)\)(?: -> (?P<returns>\w+))?|: (?P<datum>\w+))")
_PARAMETER = re.compile(r"(?P<name>\w+): (?:(?P<flow>out|inout) )?(?P<kind>\w+)(?P<optional>\?)?")


class Kind(Enum):
    """What a value is; the number is its size in bytes where it lies in memory."""

    BOOLEAN = ("BOOLEAN", 1)
    UINT8 = ("UINT8", 1)
    UINT16 = ("UINT16", 2)
    UINT32 = ("UINT32", 4)
    UINT64 = ("UINT64", 8)
    #: A number, or an address that is not followed.
    UINTN = ("UINTN", 8)
    #: A pointer to a GUID: a text in lower case, or None for NULL.
    GUID = ("GUID", 8)
    #: A pointer to UTF-16 text that ends with a zero.
    CHAR16 = ("CHAR16", 8)
    #: All arguments from here on: a function from their number to their value.
    ARGUMENTS = ("ARGUMENTS", 0)
    #: Nothing is returned.
    VOID = ("VOID", 0)
    STATUS = ("STATUS", 8)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return int(self.value[1])


class Flow(Enum):
    """Which way a parameter goes."""

    IN = "in"
    OUT = "out"
    INOUT = "inout"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `optional`: its pointer may be NULL."""

    name: str
    kind: Kind
    flow: Flow = Flow.IN
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """One function: its parameters, and what it returns."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: Kind = Kind.STATUS

    @property
    def method(self) -> str:
        """The name of the Python method that serves it: `AllocatePages` is `allocate_pages`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name).lower()

    @property
    def outputs(self) -> tuple[Parameter, ...]:
        """Parameters that carry something back, in order."""
        return tuple(parameter for parameter in self.parameters if parameter.flow is not Flow.IN)


@dataclass(frozen=True, slots=True)
class Datum:
    """One value that a protocol or table has beside its functions."""

    name: str
    kind: Kind


def table(text: str) -> tuple[Signature | Datum, ...]:
    """
    Read a table.

    Raises:
        ValueError: a line is no signature.

    """
    return tuple(_member(line.strip()) for line in text.strip().splitlines())


def _member(line: str) -> Signature | Datum:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"expected a signature, not {line!r}")
    if found["datum"] is not None:
        return Datum(found["name"], _kind(found["datum"]))
    texts = [text for text in found["parameters"].split(", ") if text]
    return Signature(found["name"], tuple(map(_parameter, texts)), _kind(found["returns"] or "STATUS"))


def _parameter(text: str) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a parameter, not {text!r}")
    return Parameter(found["name"], _kind(found["kind"]), Flow(found["flow"] or "in"), found["optional"] is not None)


def _kind(name: str) -> Kind:
    try:
        return Kind[name]
    except KeyError:
        raise ValueError(f"expected a kind of value, not {name!r}") from None
