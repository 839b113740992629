"""Secrets: bytes that the suite plants in a machine and looks for in a dump."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that occur nowhere else in the machine: every run of 32 of them from a multiple of 32 on is unique."""

    name: str
    data: bytes
