"""The matrix of rules and faults: what it counts, what it says is wrong, and what it is held against."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sevconf.errors import RecordError
from sevconf.faults import CATALOGUE
from sevconf.sensitivity.files import JSON, MARKDOWN, SCHEMA, differences, to_json, write_all
from sevconf.sensitivity.matrix import Matrix, excuse, matrix
from sevconf.sensitivity.pages import markdown, summary
from sevconf.sensitivity.threats import Threat, threat_of
from sevconf.sensitivity.trial import Finding
from sevconf.suite import load
from sevconf.suite.locate import suite_root

SUITE = load(suite_root())
ROOT = Path(__file__).parents[2]
GOOD = Finding("halts-too-late", ("DRV-01", "DRV-02"), caught=("DRV-02",))
WIDE = Finding("ignores-mapped-length", ("DRV-05", "DRV-40"), caught=("DRV-40",), collateral=("DRV-05",))


def _matrix(*findings: Finding, rules: tuple[str, ...] = ("DRV-02", "DRV-40")) -> Matrix:
    return matrix(SUITE, rules, findings, "some rules")


def test_all_is_well_if_each_fault_is_caught_by_its_rules() -> None:
    """Counts are of rules, faults and pairs; nothing is missed, nothing unexplained."""
    found = _matrix(GOOD, WIDE)
    assert found.holds
    assert (len(found.rules), len(found.faults), found.pairs, found.collateral) == (2, 2, 4, 1)
    assert (found.median, found.most) == (1.5, 2)
    assert "every fault is caught by its rules alone" in summary(found)


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (Finding("halts-too-late", ("DRV-02",), missed=("DRV-02",)), "missed: halts-too-late by DRV-02"),
        (replace(GOOD, unexplained=("DRV-01",)), "unexplained: halts-too-late fails DRV-01"),
        (
            replace(WIDE, collateral=(), silent=("DRV-05",)),
            "silent: ignores-mapped-length does not fail DRV-05",
        ),
    ],
)
def test_what_is_wrong_is_named(finding: Finding, line: str) -> None:
    """A fault that is missed, that fails other rules, or whose collateral stays away, is told by name."""
    found = _matrix(finding, rules=("DRV-02",))
    assert not found.holds
    assert line in summary(found).splitlines()
    assert finding.wrong
    assert finding.target in markdown(found)


def test_a_rule_without_its_machine_is_named() -> None:
    """A rule that nothing catches is wrong unless it says why no machine has to break it."""
    found = _matrix(GOOD, rules=("DRV-01", "DRV-02", "EVT-05", "EBS-26", "TM-05"))
    assert found.uncaught == ("DRV-01",)
    assert {row.rule for row in found.rules if row.excuse} == {"EVT-05", "EBS-26", "TM-05"}
    assert json.loads(to_json(found))["missed"] == 1


def test_an_answer_moves_an_unspecified_rule() -> None:
    """A rule that is left open is alive if some target answers it otherwise than the reference."""
    moved = Finding("shuffled", ("EVT-05",), otherwise=("EVT-05.1{level=TPL_CALLBACK,on=none}: oldest first",))
    assert _matrix(rules=("EVT-05",)).unmoved == ("EVT-05",)
    found = _matrix(moved, rules=("EVT-05",))
    assert not found.unmoved
    assert not found.faults
    assert found.rules[0].otherwise == ("shuffled",)


def test_files_are_held_against_what_is_found(tmp_path: Path) -> None:
    """What was found again makes no difference; what changed, came or went is told; a foreign file is refused."""
    write_all(_matrix(GOOD, WIDE), tmp_path)
    assert (tmp_path / MARKDOWN).read_text(encoding="utf-8").startswith("# Sensitivity")
    assert not list(differences(_matrix(GOOD, WIDE), tmp_path, whole=True))
    assert not list(differences(_matrix(replace(GOOD, judged=("DRV-02",))), tmp_path, whole=False))
    assert list(differences(_matrix(GOOD), tmp_path, whole=True)) == [
        "ignores-mapped-length is there, and no fault of that name is here"
    ]
    assert list(differences(_matrix(replace(GOOD, caught=())), tmp_path, whole=False)) == [
        "halts-too-late: caught: expected ['DRV-02'], found []"
    ]
    other = _matrix(Finding("does-not-halt", ("DRV-01",), caught=("DRV-01",)), rules=("DRV-02",))
    assert list(differences(other, tmp_path, whole=False)) == ["does-not-halt is not there"]
    assert "the rule DRV-40 is there only" in list(differences(other, tmp_path, whole=True))
    text = (tmp_path / JSON).read_text(encoding="utf-8")
    for spoilt in (text.replace(SCHEMA, "sevconf-report/1"), text[:-30], "[]", ""):
        (tmp_path / JSON).write_text(spoilt, encoding="utf-8")
        with pytest.raises(RecordError):
            list(differences(_matrix(GOOD, WIDE), tmp_path, whole=True))


#: Rules that look at every step: what leaks at a moment of another rule, they see as well.
AT_EVERY_STEP = {"DRV-60", "EBS-30"}


def test_the_committed_matrix_holds() -> None:
    """Committed is a matrix of every rule and every fault there is, in which nothing is missed or unexplained."""
    saved = json.loads((ROOT / "reports" / "sensitivity" / JSON).read_text(encoding="utf-8"))
    assert {row["fault"] for row in saved["by_fault"]} == CATALOGUE.keys()
    assert {row["rule"] for row in saved["by_rule"]} == SUITE.rules.keys()
    assert (saved["missed"], saved["unexplained"], saved["silent"], saved["median_rules_a_fault"]) == (0, 0, 0, 1)
    made_up = [row for row in saved["by_fault"] if not CATALOGUE[row["fault"]].upstream]
    assert all(len({*row["caught"], *row["collateral"]} - AT_EVERY_STEP) <= 3 for row in made_up)
    assert saved["caught"] == saved["rules"] - saved["excused"]


def test_every_rule_has_its_threat() -> None:
    """A rule stands against one of few threats, each told in a sentence; none is there for nothing."""
    assert {threat_of(rule) for rule in SUITE.rules} == set(Threat)
    assert all(threat.meaning.endswith(".") for threat in Threat)
    assert not excuse(SUITE.rules["DRV-01"])
