"""Known deviations: entries have to be true."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from sevconf.errors import SuiteError
from sevconf.jury.deviations import Deviation, Held, evidence, hold, load
from sevconf.reporting.record import RowRecord
from sevconf.subjects.firmware.boards import is_board
from sevconf.suite import load as load_suite
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict

SUITE = load_suite(suite_root())
RULE = "EVT-17"
TODAY = date(2026, 12, 1)


def records(verdict: Verdict = Verdict.NONCONFORMING) -> list[RowRecord]:
    """Return the records of the rule, the first of which is bad."""
    rows = [row.id for row in SUITE.rows.values() if row.rule == RULE]
    passed = [RowRecord(row, Verdict.PASSED) for row in rows[1:]]
    return [RowRecord(rows[0], verdict, "the call returns EFI_SUCCESS", "it does not, at step 7", "core"), *passed]


def entry(**fields: object) -> Deviation:
    """Return an entry that holds, but for these fields."""
    right = Deviation(RULE, "core-x", "it is so", "https://example.org/1", date(2027, 1, 1), evidence(records()))
    return replace(right, **fields)  # type: ignore[arg-type]


def held(one: Deviation, of: list[RowRecord] | None = None, rules: frozenset[str] = frozenset({RULE})) -> Held:
    """Hold records against one entry."""
    return hold(of or records(), SUITE, "core-x", rules, entries=[one], today=TODAY)


def test_a_deviation_marks_its_rows_and_changes_no_verdict() -> None:
    """Only rows that are bad are marked."""
    found = held(entry())
    assert not found.problems
    assert [record.deviation for record in found.records][:2] == ["https://example.org/1", ""]
    assert found.records[0].verdict is Verdict.NONCONFORMING


def test_the_step_number_is_no_evidence() -> None:
    """What varies from run to run does not count."""
    again = [replace(records()[0], observed="it does not, at step 9"), *records()[1:]]
    assert not held(entry(), again).problems


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (entry(rule="EVT-99"), "matches nothing"),
        (entry(evidence="0" * 64), "has other evidence"),
        (entry(expires=date(2026, 11, 30)), "expired on 2026-11-30"),
    ],
)
def test_an_entry_that_is_not_true_is_told(wrong: Deviation, says: str) -> None:
    """And its rows are not marked."""
    found = held(wrong)
    assert says in found.problems[0]
    assert not any(record.deviation for record in found.records)


def test_a_rule_that_passes_needs_no_entry() -> None:
    """An entry for it has to go."""
    assert "is none any more" in held(entry(), records(Verdict.PASSED)).problems[0]


def test_entries_of_others_are_left_alone() -> None:
    """Of other targets, and of rules that were not run."""
    assert not held(entry(target="core-y", evidence="?")).problems
    assert not held(entry(evidence="?"), rules=frozenset({"EBS-01"})).problems


@pytest.mark.parametrize("text", ["[[deviation]]\nrule = 'EVT-17'", "no toml", "deviation = 5"])
def test_a_file_that_is_not_as_it_should_be_is_refused(tmp_path: Path, text: str) -> None:
    """Every field has to be there."""
    file = tmp_path / "deviations.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError, match=r"deviations\.toml"):
        load(file)


def test_the_entries_are_of_boards_and_rules_that_exist() -> None:
    """A target that is misspelt would never be held against anything."""
    for known in load():
        assert is_board(known.target)
        assert known.rule in SUITE.rules
        assert known.link.startswith("https://")
