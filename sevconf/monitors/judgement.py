"""The helpers by which Then-steps judge: the one place that raises a nonconformance."""

from collections.abc import Iterable

from sevconf.errors import Inconclusive, Nonconformance
from sevconf.monitors.breach import Breach


def judge(holds: object, *, expected: str, observed: str, culprit: str, steps: Iterable[int] = ()) -> None:
    """
    Let the row pass if it holds.

    Raises:
        Nonconformance: it does not; `expected` and `observed` are sentences, `steps` prove them.

    """
    if not holds:
        raise Nonconformance(expected, observed, culprit, tuple(steps))


def judge_breaches(breaches: Iterable[Breach]) -> None:
    """
    Let the row pass if a monitor found nothing.

    Raises:
        Nonconformance: for the first breach.

    """
    for breach in breaches:
        raise Nonconformance(breach.expected, breach.observed, breach.culprit, breach.steps)


def control(holds: object, what: str) -> None:
    """
    Hold a positive control: the fixture showed what the rule needs.

    Raises:
        Inconclusive: it did not.

    """
    if not holds:
        raise Inconclusive(f"the positive control failed: {what}")
