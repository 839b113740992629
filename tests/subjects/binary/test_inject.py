"""Faults put into the real IoMmuDxe from outside: each newly fails exactly the rules that it names."""

import os

import pytest

from sevconf.errors import UsageError
from sevconf.reporting.report import Report
from sevconf.subjects.binary.inject.drivers import DRIVERS
from sevconf.subjects.binary.inject.table import INJECTIONS, Injection
from sevconf.subjects.choices import Choices
from sevconf.subjects.registry import resolve
from tests.known_truth import RULES, judged, newly_failing

REAL = "/usr/share/OVMF/OVMF_CODE_4M.fd#IoMmuDxe"
#: All faults by all rules if the environment says so, as CI's does; else a few, by the rules that any fault fails.
WHOLE = os.environ.get("SEVCONF_FAULTS") == "all"
_SAMPLE = ("bounce-not-zeroed", "all-at-notify", "exit-handler-at-notify")
_NAMED = frozenset(rule for injection in INJECTIONS.values() for rule in (*injection.catches, *injection.reveals))
_JUDGED_BY = RULES if WHOLE else _NAMED


@pytest.fixture(scope="module")
def unmodified() -> Report:
    """Return what the driver comes to as it is."""
    return judged(REAL, rules=_JUDGED_BY)


@pytest.mark.parametrize("injection", [INJECTIONS[name] for name in (INJECTIONS if WHOLE else _SAMPLE)], ids=str)
def test_an_injected_fault_is_caught_by_its_rules_alone(injection: Injection, unmodified: Report) -> None:
    """What newly fails is what the fault names, and nothing else."""
    report = judged(REAL, injection.name, rules=_JUDGED_BY)
    assert newly_failing(unmodified, report) == {*injection.catches, *injection.reveals}
    assert ("--inject", injection.name) in report.target.tools


def test_every_fault_is_told_and_built() -> None:
    """The table and the drivers name the same faults, and their sentences are those of the drivers."""
    assert list(INJECTIONS) == list(DRIVERS)
    for name, driver in DRIVERS.items():
        assert str(driver.__doc__).strip() == INJECTIONS[name].bug
    assert [injection.name for injection in INJECTIONS.values() if not injection.catches] == ["exit-handler-at-notify"]


@pytest.mark.parametrize(
    ("target", "choices", "says"),
    [
        (REAL, Choices(inject="bounce-not-zeroe"), "there is no fault .*\nhint: did you mean bounce-not-zeroed"),
        (REAL, Choices(inject="x"), "`sevconf list faults` shows them"),
        ("reference", Choices(inject="bounce-not-zeroed"), "expected a binary as target with --inject"),
        ("reference", Choices(iommu=REAL, inject="bounce-not-zeroed"), "expected a binary as target with --inject"),
    ],
)
def test_wrong_use(target: str, choices: Choices, says: str) -> None:
    """A fault that there is not, and a target that none can be put into, are wrong use."""
    with pytest.raises(UsageError, match=says):
        resolve(target, choices)
