"""What a fault is: the reference machine with one bug, and the rules that must catch it."""

from dataclasses import dataclass, fields

from sevconf.model.parts import Parts
from sevconf.vocabulary import Party

#: What a leak breaks beside the rule that looks for it at a moment of its own.
AT_ANY_STEP = "at every step, data lie in plaintext only where a device reaches them through a live mapping"


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A one-bug machine.

    `party` is whose bug it is, and the only party that the machine is judged as. `catches` are the rules that must fail
    it; `collateral` are others that fail with them, each with the clause that it breaks too; `shown_by` are rules whose
    scenarios bring it about for monitors to see, where the files of those that it breaks do not. A bug of shipped code
    names where it is told (`upstream`) and what mended it (`fixed_in`, empty while nothing has).
    """

    name: str
    party: Party
    parts: Parts
    catches: tuple[str, ...]
    collateral: tuple[tuple[str, str], ...] = ()
    shown_by: tuple[str, ...] = ()
    upstream: str = ""
    fixed_in: str = ""

    @property
    def declared(self) -> frozenset[str]:
        """Every rule that it breaks."""
        return frozenset({*self.catches, *dict(self.collateral)})

    @property
    def bug(self) -> str:
        """The bug in one line: what the docstring of the (last) exchanged part says first."""
        reference = Parts()
        pairs = ((getattr(self.parts, field.name), getattr(reference, field.name)) for field in fields(Parts))
        exchanged = [part for part, original in pairs if part is not original]
        return str(exchanged[-1].__doc__).strip().splitlines()[0]
