"""Secrets: bytes that the suite plants in a machine and looks for in a dump."""

from dataclasses import dataclass
from enum import Enum


class Form(Enum):
    """How a secret lies in memory; the value is the bytes that are looked for as one."""

    #: Bytes as they are, in blocks and frames alike: a run of 32 is unique.
    BYTES = 32
    #: Keystrokes, as boot reports of a keyboard: each may lie in a buffer of its own.
    REPORTS = 8


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that occur nowhere else in the machine: every unit of its form, from a multiple of it on, is unique."""

    name: str
    data: bytes
    form: Form = Form.BYTES
