"""The committed table of real cores, and what README says of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from sevconf.jury import drivers, files
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.vocabulary import MachineKind, Party

ROOT = Path(__file__).parents[2]
CORES = ROOT / "reports" / "cores"


@pytest.fixture(scope="module")
def jury() -> Any:
    """Return the committed table."""
    return json.loads((CORES / files.JSON).read_text(encoding="utf-8"))


def test_no_difference_is_unexplained(jury: Any) -> None:
    """No error, nothing inconclusive, and nothing bad without a source."""
    assert jury["schema"] == files.SCHEMA
    assert not jury["unexplained"]
    verdicts = {ruling["verdict"] for rule in jury["rules"] for ruling in rule["rulings"].values()}
    assert not verdicts & {"error", "inconclusive"}
    for finding in jury["findings"]:
        assert (finding["seen"], finding["runs"]) == (3, 3)
        assert finding["link"]
        assert finding["reason"]
        assert len(finding["sha256"]) == 64
        assert finding["log"]


def test_every_rule_on_cores_is_in_the_table(jury: Any) -> None:
    """Those that need more than a core are not: EBS-11 alone."""
    rules = load(suite_root()).rules.values()
    expected = {rule.id for rule in rules if rule.party is Party.CORE and MachineKind.NONE in rule.kinds}
    assert {rule["id"] for rule in jury["rules"]} == expected


def test_readme_answers_as_the_table_does(jury: Any) -> None:
    """Question by question."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for question, answers in jury["questions"].items():
        assert f"| {question} | {' | '.join(answers.values())} |" in readme


def test_five_drivers_at_least_were_watched() -> None:
    """From outside."""
    table = json.loads((CORES / drivers.JSON).read_text(encoding="utf-8"))
    assert table["schema"] == drivers.SCHEMA
    assert len(table["drivers"]) >= 5
