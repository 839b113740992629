"""How a Then-step speaks: a nonconformance, an inconclusive row, or nothing."""

import pytest

from sevconf.errors import Inconclusive, Nonconformance
from sevconf.monitors import Breach, control, judge, judge_breaches


def test_what_holds_passes() -> None:
    """Nothing is raised where the rule holds, the control holds, or no monitor found anything."""
    judge([1], expected="x", observed="y", culprit="core")
    control("seen", "the handler ran")
    judge_breaches([])


@pytest.mark.parametrize("holds", [False, None, 0, ()])
def test_what_does_not_hold_is_a_nonconformance(holds: object) -> None:
    """Anything false is a nonconformance with its sentences, culprit and steps."""
    with pytest.raises(Nonconformance, match=r"^expected: it rests\nobserved: it ran\nculprit:  core$") as raised:
        judge(holds, expected="it rests", observed="it ran", culprit="core", steps=iter([2, 3]))
    assert raised.value.steps == (2, 3)


def test_the_first_breach_is_the_nonconformance() -> None:
    """Of several breaches the first one speaks for the row."""
    breaches = [Breach(f"DRV-0{n}", f"expected {n}", f"observed {n}", "core", (n,)) for n in (1, 2)]
    with pytest.raises(Nonconformance) as raised:
        judge_breaches(breaches)
    found = raised.value
    assert (found.expected, found.observed, found.culprit, found.steps) == ("expected 1", "observed 1", "core", (1,))


def test_a_failed_control_is_inconclusive() -> None:
    """A control that doesn't hold counts against nobody, and says what it was about."""
    with pytest.raises(Inconclusive, match=r"^the positive control failed: the handler ran$"):
        control(None, "the handler ran")
