"""Our own IOMMU driver in C: the right one passes, each wrong one is caught by exactly its rules."""

import os
from pathlib import Path

import pytest

from sevconf.judge import Setting
from sevconf.run import Order, run
from sevconf.subjects.binary.target import BinaryTarget
from sevconf.subjects.choices import Choices
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict
from sevconf.vocabulary import Party, Profile

from .conftest import built

#: What each fault breaks: rules that lack their own verdict, or to which a monitor charged a breach.
FAULTS = {
    "KEEPS_PLAINTEXT": {"DMA-01", "DRV-24", "EBS-08", "EBS-30", "TM-02"},
    "TEARS_DOWN_AT_ONCE": {"EBS-06", "EBS-09"},
    "FREES_AT_EXIT": {"MEM-04"},
}
#: Rules near all of these, which `make test` asks; `.ci/run` asks every one.
NEAR = {"DMA-02", "EBS-07"}.union(*FAULTS.values())


def caught(image: Path) -> set[str]:
    """Judge a driver, and return the rules that it breaks; it must pass others."""
    catalogue = load(suite_root())
    rules = {rule.id for rule in catalogue.rules.values() if rule.party is Party.IOMMU_DRIVER}
    if os.environ.get("SEVCONF_RULES") != "all":
        rules &= NEAR
    target = BinaryTarget(str(image), Choices())
    try:
        setting = Setting(catalogue, target, Profile.OVMF_SEV, 0, frozenset(rules), None)
        report = run(setting, Order(str(image)))
    finally:
        target.close()
    counted = [rule for rule in report.rules if not rule.apart]
    assert not [rule.id for rule in counted if rule.verdict in {Verdict.ERROR, Verdict.INCONCLUSIVE}]
    assert any(rule.verdict is Verdict.PASSED for rule in counted)
    bad = {Verdict.NONCONFORMING, Verdict.TARGET_FAILED}
    return {rule.id for rule in counted if rule.verdict in bad or rule.breaches}


def test_the_right_driver_passes(right_driver: Path) -> None:
    """A driver that conforms is charged with nothing."""
    assert caught(right_driver) == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_its_rules_alone(tmp_path: Path, fault: str) -> None:
    """Each fault breaks its rules, and no other one."""
    assert caught(built(tmp_path, fault)) == FAULTS[fault]
