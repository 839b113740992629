"""Machines on which a limit of the design shows fail the rules that they are expected to fail."""

from sevconf.faults.limits import OpensAllRam
from sevconf.judge import Setting
from sevconf.model.parts import Parts
from sevconf.run import Order, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict
from sevconf.vocabulary import Party, Profile

CATALOGUE = load(suite_root())


def test_to_open_all_ram_is_to_decrypt_it() -> None:
    """An SEV IOMMU driver that opens all RAM at exit leaves every secret in plaintext for the OS's time."""
    target = ReferenceTarget("opens all RAM", Parts(iommu=OpensAllRam), frozenset({Party.IOMMU_DRIVER}))
    rules = frozenset(rule.id for rule in CATALOGUE.rules.values() if "T24" in rule.claims)
    assert rules
    report = run(Setting(CATALOGUE, target, Profile.OVMF_SEV, 0, rules), Order("opens all RAM"))
    verdicts = {rule.id: rule.verdict for rule in report.rules if rule.id in rules}
    assert set(verdicts.values()) == {Verdict.NONCONFORMING}
