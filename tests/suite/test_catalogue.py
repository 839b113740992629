"""The catalogue: rules, scenarios and rows as values."""

from pathlib import Path

import pytest

from sevconf.contract import Capability
from sevconf.errors import SuiteError
from sevconf.suite import Rule, load
from sevconf.suite.catalogue import row_id
from sevconf.vocabulary import Basis, MachineKind, Party, Profile, Revision
from tests.miniature import plant
from tests.suite.test_check import GOOD


@pytest.fixture
def one_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rule:
    """Return the rule of the good example, read from a file."""
    catalogue = load(plant(tmp_path, monkeypatch, GOOD))
    return catalogue.rules["EVT-01"]


def test_a_rule_says_what_its_tags_say(one_rule: Rule) -> None:
    """Id, party, basis, claims, kinds, revision, needs and limit come from the tags."""
    assert (one_rule.party, one_rule.basis, one_rule.claims) == (Party.CORE, Basis.UEFI, ("T41",))
    assert one_rule.kinds == (MachineKind.NONE,)
    assert one_rule.since is Revision.UEFI_2_9
    assert one_rule.needs == {Capability.CORE_SERVICES}
    assert one_rule.limit
    assert one_rule.source == "Source: UEFI 2.10, 7.1."
    assert (one_rule.file, one_rule.folder) == ("events/f0.feature", "events")


def test_a_scenario_adds_needs_and_replaces_kinds(one_rule: Rule) -> None:
    """Needs on a scenario add to the rule's, machine kinds on it replace the rule's, the Background comes first."""
    first, second = one_rule.scenarios
    assert first.needs == {Capability.CORE_SERVICES, Capability.DRAM_DUMP}
    assert (first.kinds, second.kinds) == ((MachineKind.NONE,), (MachineKind.SEV,))
    assert (first.outline, second.outline) == (False, True)
    assert [step.text for step in first.steps[:2]] == ["a machine", "a queue"]


def test_rows_are_examples_by_kinds(one_rule: Rule) -> None:
    """Every line of Examples makes a row for each machine kind, with the kind among its columns."""
    rows = [row.id for scenario in one_rule.scenarios for row in scenario.rows]
    assert rows == [
        "EVT-01.1{on=none}",
        "EVT-01.2{found=last,level=low,on=sev}",
        "EVT-01.2{found=first,level=high,on=sev}",
    ]


def test_columns_are_sorted_in_ids() -> None:
    """The id of a row does not depend on the order of columns."""
    columns = {"iommu": "TPL_CALLBACK", "disk": "TPL_NOTIFY"}
    assert row_id("EBS-04.1", columns, MachineKind.SEV) == "EBS-04.1{disk=TPL_NOTIFY,iommu=TPL_CALLBACK,on=sev}"


@pytest.mark.parametrize(
    ("basis", "since", "profile", "stated", "apart"),
    [
        (Basis.UEFI, None, Profile.UEFI, Revision.UEFI_2_7, ""),
        (Basis.BEYOND_UEFI, None, Profile.UEFI, Revision.UEFI_2_7, "not in profile uefi"),
        (Basis.BEYOND_UEFI, None, Profile.OVMF_SEV, Revision.UEFI_2_7, ""),
        (Basis.PROPOSAL, None, Profile.OVMF_SEV, Revision.UEFI_2_7, "not in profile ovmf-sev"),
        (Basis.PROPOSAL, None, Profile.THREAD_PROPOSAL, Revision.UEFI_2_7, ""),
        (Basis.ADVISORY, None, Profile.THREAD_PROPOSAL, Revision.UEFI_2_7, "advisory"),
        (Basis.UNSPECIFIED, Revision.UEFI_2_9, Profile.UEFI, Revision.UEFI_2_7, "unspecified"),
        (Basis.UEFI, Revision.UEFI_2_9, Profile.UEFI, Revision.UEFI_2_7, "not required by revision 2.7"),
        (Basis.UEFI, Revision.UEFI_2_9, Profile.UEFI, Revision.UEFI_2_10, ""),
    ],
)
def test_what_stands_apart(  # noqa: PLR0917 -- the columns of a table
    one_rule: Rule, basis: Basis, since: Revision | None, profile: Profile, stated: Revision, apart: str
) -> None:
    """A rule counts by basis, profile and revision, or says why it does not."""
    fields = {name: getattr(one_rule, name) for name in Rule.__slots__}
    assert Rule(**{**fields, "basis": basis, "since": since}).apart(profile, stated) == apart


def test_all_problems_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite with several faults is refused once, naming all of them and where to read on."""
    root = plant(tmp_path, monkeypatch, GOOD.replace("@uefi ", ""), GOOD)
    with pytest.raises(SuiteError) as raised:
        load(root)
    assert "expected one basis tag" in str(raised.value)
    assert "is taken already" in str(raised.value)
    assert "hint: features/README.md" in str(raised.value)


def test_an_empty_suite_is_refused(tmp_path: Path) -> None:
    """A suite without features would pass everything."""
    (tmp_path / "features").mkdir()
    with pytest.raises(SuiteError, match="holds no feature file"):
        load(tmp_path)
