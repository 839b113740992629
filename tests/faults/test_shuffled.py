"""What the suite does not blame: a machine that uses every freedom that UEFI leaves."""

import os

import pytest

from sevconf.judge import Setting
from sevconf.run import Order, run
from sevconf.subjects.reference import shuffled
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import ExitCode
from sevconf.vocabulary import Profile

SUITE = load(suite_root())


@pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("SEVCONF_SEEDS", "1"))))
@pytest.mark.parametrize("profile", [Profile.OVMF_SEV])
def test_legal_freedom_breaks_nothing(seed: int, profile: Profile) -> None:
    """Orders inside groups, places of allocations and pool habits may vary, and every rule still passes."""
    setting = Setting(SUITE, shuffled(), profile, seed, frozenset(SUITE.rules))
    report = run(setting, Order("shuffled"))
    assert report.exit_code() == ExitCode.CONFORMING
    assert not [breach for rule in report.rules for breach in rule.breaches]
