"""No row passes on a target that does nothing: each scenario shows that what its rule is about has happened."""

import pytest

from sevconf.judge import Setting
from sevconf.run import Order, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict
from sevconf.vocabulary import EfiStatus, Party, Profile
from tests.vacuity.null_targets import formal_iommu, null_target

SUITE = load(suite_root())
#: Rows that pass on RAM that keeps nothing but page tables, which are all that they are about.
ABOUT_PAGE_TABLES = {"SEV-08.2", "SEV-08.4"}
#: Rows that pass with an IOMMU driver in form, and why what they are about has happened even so.
TRUE_EVEN_SO = {
    "DMA-02.1": "RAM is not encrypted and translation is off: the data did get there",
    "DMA-02.2": "as above",
    "DMA-02.3": "as above",
    "DMA-18.1": "as above, where the bus master reaches the buffer by itself",
    "DMA-19.1": "as above",
    "DMA-13.1": "several mappings of several buffers are live, and none shares memory",
    "EVT-08.1": "it called AllocatePages, at a level that allows it",
    "EVT-21.1": "it called AllocatePages, from the bootstrap processor",
    "IOM-11.2": "it is about the DMA of a device under SEV, which took place",
}


def _passed(target: ReferenceTarget) -> set[str]:
    """Return the scenarios of which a row passed, but those of limits, which set up machines of their own."""
    rules = {r.id for r in SUITE.rules.values() if r.party in target.parties and not r.limit}
    report = run(Setting(SUITE, target, Profile.THREAD_PROPOSAL, 0, frozenset(rules)), Order(target.name))
    rows = [row for rule in report.rules for row in rule.rows]
    assert not [row.observed for row in rows if row.verdict is Verdict.ERROR]
    assert {rule.id for rule in report.rules if rule.rows} == rules
    return {SUITE.rows[row.id].scenario for row in rows if row.verdict is Verdict.PASSED}


@pytest.mark.parametrize("status", [EfiStatus.SUCCESS, EfiStatus.UNSUPPORTED], ids=str)
@pytest.mark.parametrize("party", [p for p in Party if p not in {Party.MEMORY, Party.OS}], ids=lambda p: p.value)
def test_nothing_passes_on_a_target_that_does_nothing(party: Party, status: EfiStatus) -> None:
    """Whatever it answers, a part that does nothing conforms to no rule."""
    assert not _passed(null_target(party, status))


def test_nothing_passes_with_an_os_that_does_nothing() -> None:
    """An OS that leaves the IOMMU alone conforms to no rule on it."""
    assert not _passed(null_target(Party.OS, EfiStatus.SUCCESS))


def test_nothing_passes_on_ram_that_keeps_nothing() -> None:
    """RAM that forgets what is written passes no rule but on page tables, which it keeps."""
    assert _passed(null_target(Party.MEMORY, EfiStatus.SUCCESS)) == ABOUT_PAGE_TABLES


def test_an_iommu_driver_in_form_passes_only_what_is_true_of_it() -> None:
    """A driver that maps every address to itself passes where the rule's act took place, and nowhere else."""
    assert _passed(formal_iommu()) == TRUE_EVEN_SO.keys()
