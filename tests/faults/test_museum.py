"""The museum: every bug says where it is told, and the rules that it names catch it."""

import pytest

from sevconf.faults import CATALOGUE, museum, pools
from sevconf.faults.fault import Fault
from sevconf.judge import Setting
from sevconf.run import Order, run
from sevconf.subjects.registry import resolve
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict
from sevconf.vocabulary import Profile

SHOWN = (*museum.FAULTS, *pools.FAULTS)


def test_what_the_museum_shows() -> None:
    """Its machines are named for it and say where the bug is told; no other machine claims to be of shipped code."""
    for name, fault in CATALOGUE.items():
        assert name.startswith("museum-") == (fault in museum.FAULTS) == bool(fault.upstream), name
        assert fault.upstream or not fault.fixed_in, name


@pytest.mark.parametrize("fault", SHOWN, ids=[fault.name for fault in SHOWN])
def test_the_rules_that_a_bug_names_catch_it(fault: Fault) -> None:
    """Of its party's rules just these are nonconforming on the machine."""
    catalogue = load(suite_root())
    rules = frozenset(rule.id for rule in catalogue.rules.values() if rule.party is fault.party)
    target = resolve(f"faulty:{fault.name}")
    report = run(Setting(catalogue, target, Profile.THREAD_PROPOSAL, 0, rules), Order(target.identity.name))
    broken = {rule.id for rule in report.rules if rule.verdict is Verdict.NONCONFORMING}
    assert broken == {*fault.catches, *(rule for rule, _ in fault.collateral)}
