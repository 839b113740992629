"""What a command line chooses of a target beside its name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """
    The choices, as they were written.

    `device` is what a driver of kind `device` is tried on, if not on what its class names; `timeout` is how many
    seconds foreign code may take a scenario, None the usual limit.
    """

    device: str = ""
    timeout: float | None = None
