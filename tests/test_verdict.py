"""Verdicts and how they roll up, as tables."""

from itertools import chain, combinations

import pytest

from sevconf.verdict import ExitCode, Verdict, exit_code, of_claim, of_rule, roll_up, totals

V = Verdict
ROWS = (
    V.PASSED,
    V.NONCONFORMING,
    V.TARGET_FAILED,
    V.INCONCLUSIVE,
    V.UNSUPPORTED,
    V.NOT_JUDGED,
    V.ERROR,
    V.NOT_COUNTED,
)


def _subsets(kinds: tuple[Verdict, ...]) -> list[tuple[Verdict, ...]]:
    return list(chain.from_iterable(combinations(kinds, size) for size in range(len(kinds) + 1)))


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((), V.NOT_IMPLEMENTED),
        ((V.PASSED,), V.PASSED),
        ((V.PASSED, V.INCONCLUSIVE), V.INCONCLUSIVE),
        ((V.INCONCLUSIVE, V.NONCONFORMING), V.NONCONFORMING),
        ((V.NONCONFORMING, V.TARGET_FAILED), V.TARGET_FAILED),
        ((V.TARGET_FAILED, V.ERROR), V.ERROR),
        ((V.PASSED, V.UNSUPPORTED, V.NOT_JUDGED), V.PASSED),
        ((V.UNSUPPORTED,), V.UNSUPPORTED),
        ((V.NOT_JUDGED,), V.NOT_JUDGED),
        ((V.NOT_JUDGED, V.UNSUPPORTED), V.UNSUPPORTED),
        ((V.NOT_COUNTED,), V.NOT_COUNTED),
        ((V.NOT_COUNTED, V.NOT_JUDGED), V.NOT_JUDGED),
        ((V.NOT_COUNTED, V.PASSED), V.PASSED),
    ],
)
def test_roll_up(parts: tuple[Verdict, ...], whole: Verdict) -> None:
    """A whole has the worst verdict of its judged parts, and says what they were if none was judged."""
    assert roll_up(parts) is whole


@pytest.mark.parametrize("parts", _subsets(ROWS), ids=str)
def test_roll_up_of_every_set(parts: tuple[Verdict, ...]) -> None:
    """Whatever the parts are, the order of severity decides, and then what is left."""
    order = (*ROWS_BY_RANK, V.NOT_IMPLEMENTED)
    expected = next(verdict for verdict in order if verdict in parts or verdict is V.NOT_IMPLEMENTED)
    assert roll_up(parts) is roll_up(reversed(parts)) is expected


ROWS_BY_RANK = (
    V.ERROR,
    V.TARGET_FAILED,
    V.NONCONFORMING,
    V.INCONCLUSIVE,
    V.PASSED,
    V.UNSUPPORTED,
    V.NOT_JUDGED,
    V.NOT_COUNTED,
)


@pytest.mark.parametrize(
    ("rows", "breaches", "rule"),
    [
        ((V.PASSED,), 0, V.PASSED),
        ((V.PASSED,), 1, V.NONCONFORMING),
        ((V.UNSUPPORTED,), 1, V.NONCONFORMING),
        ((V.NOT_JUDGED,), 1, V.NONCONFORMING),
        ((V.TARGET_FAILED,), 1, V.TARGET_FAILED),
        ((V.ERROR,), 1, V.ERROR),
        ((), 1, V.NONCONFORMING),
        ((V.NOT_COUNTED, V.UNSUPPORTED), 0, V.NOT_COUNTED),
        ((V.NOT_COUNTED, V.INCONCLUSIVE), 0, V.INCONCLUSIVE),
        ((), 0, V.NOT_IMPLEMENTED),
    ],
)
def test_of_rule(rows: tuple[Verdict, ...], breaches: int, rule: Verdict) -> None:
    """A rule is nonconforming at least where a monitor charged a breach, and answers outweigh what was left out."""
    assert of_rule(rows, breaches) is rule


@pytest.mark.parametrize(
    ("rules", "testable", "claim"),
    [
        ((), True, V.NOT_IMPLEMENTED),
        ((), False, V.NOT_TESTABLE),
        ((V.PASSED,), False, V.PASSED),
        ((V.NOT_COUNTED,), True, V.NOT_COUNTED),
        ((V.NOT_COUNTED, V.NOT_COUNTED), False, V.NOT_COUNTED),
        ((V.NOT_COUNTED, V.NONCONFORMING), True, V.NONCONFORMING),
        ((V.NOT_JUDGED, V.NOT_JUDGED), True, V.NOT_JUDGED),
        ((V.NOT_JUDGED, V.UNSUPPORTED), True, V.UNSUPPORTED),
        ((V.NOT_IMPLEMENTED,), True, V.NOT_IMPLEMENTED),
    ],
)
def test_of_claim(rules: tuple[Verdict, ...], testable: bool, claim: Verdict) -> None:
    """A claim rolls up from its rules; only one without any can be not testable."""
    assert of_claim(rules, testable=testable) is claim


def test_totals_name_every_kind() -> None:
    """Totals hold every kind of verdict, also when zero."""
    counted = totals([V.PASSED, V.PASSED, V.ERROR])
    assert list(counted) == list(Verdict)
    assert (counted[V.PASSED], counted[V.ERROR], sum(counted.values())) == (2, 1, 3)


@pytest.mark.parametrize(
    ("counted", "apart", "breaches", "code"),
    [
        ((V.PASSED,), (), 0, ExitCode.CONFORMING),
        ((V.PASSED, V.UNSUPPORTED, V.NOT_JUDGED), (), 0, ExitCode.CONFORMING),
        ((V.PASSED, V.NONCONFORMING), (), 0, ExitCode.NONCONFORMING),
        ((V.PASSED, V.TARGET_FAILED), (), 0, ExitCode.NONCONFORMING),
        ((V.PASSED,), (), 1, ExitCode.NONCONFORMING),
        ((V.PASSED,), (V.NONCONFORMING, V.INCONCLUSIVE, V.TARGET_FAILED), 0, ExitCode.CONFORMING),
        ((V.PASSED, V.INCONCLUSIVE), (), 0, ExitCode.INCONCLUSIVE),
        ((V.NONCONFORMING, V.INCONCLUSIVE), (), 0, ExitCode.NONCONFORMING),
        ((V.NONCONFORMING, V.ERROR), (), 1, ExitCode.ERROR),
        ((V.PASSED,), (V.ERROR,), 0, ExitCode.ERROR),
        ((), (), 0, ExitCode.INCONCLUSIVE),
        ((V.UNSUPPORTED, V.NOT_JUDGED), (), 0, ExitCode.INCONCLUSIVE),
        ((), (V.PASSED,), 0, ExitCode.CONFORMING),
        ((), (V.NOT_COUNTED,), 0, ExitCode.INCONCLUSIVE),
    ],
)
def test_exit_code(counted: tuple[Verdict, ...], apart: tuple[Verdict, ...], breaches: int, code: int) -> None:
    """An error beats a finding, a finding beats a run that shows nothing; what stands apart only shows errors."""
    assert exit_code(counted, apart, breaches=breaches) == code


@pytest.mark.parametrize("counted", _subsets(ROWS), ids=str)
def test_exit_code_of_every_set(counted: tuple[Verdict, ...]) -> None:
    """Whatever the rows are, 3 beats 1, 1 beats 4, 4 beats 0."""
    if V.ERROR in counted:
        expected = 3
    elif {V.NONCONFORMING, V.TARGET_FAILED} & set(counted):
        expected = 1
    elif V.INCONCLUSIVE in counted or V.PASSED not in counted:
        expected = 4
    else:
        expected = 0
    assert exit_code(counted) == expected
