"""What a monitor finds, and what a monitor is."""

from dataclasses import dataclass
from typing import Protocol

from sevconf.trace import Trace
from sevconf.vocabulary import Party


@dataclass(frozen=True, slots=True)
class Breach:
    """
    One break of one rule, as a proof.

    `expected` and `observed` are whole sentences, `culprit` the actor to blame. `steps` are the trace steps that prove
    it, the decisive one last. `subject` is the device that it is about, or empty: the first breach on a subject is
    charged, later ones are its `consequences` (their decisive steps), listed and not charged.
    """

    rule: str
    expected: str
    observed: str
    culprit: str
    steps: tuple[int, ...]
    subject: str = ""
    consequences: tuple[int, ...] = ()


class Monitor(Protocol):
    """A safety rule as an automaton over a trace: it must hold in every run, whatever the scenario was about."""

    @property
    def rule(self) -> str:
        """Id of the rule that a breach is charged to (`DRV-01`)."""
        ...

    @property
    def party(self) -> Party:
        """The party that it judges."""
        ...

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Return the breaches of that rule, in order of their decisive steps; charging is not its business."""
        ...
