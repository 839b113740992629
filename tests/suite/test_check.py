"""What the suite refuses in its own features."""

import pytest

from sevconf.suite.check import problems
from sevconf.suite.source import parse

GOOD = """
@EVT
Feature: Order
  @EVT-01 @core @uefi @T41 @on-none @since-2.9 @needs-core-services @limit
  Rule: Events run in order
    Source: UEFI 2.10, 7.1.

    Background:
      Given a machine
      And a queue

    @EVT-01.1 @needs-dram-dump
    Scenario: First
      When it runs
      Then it is in order

    @EVT-01.2 @on-sev
    Scenario Outline: Second
      Given an event at <level>
      When it runs
      Then it is <found>

      Examples:
        | level | found |
        | low   | last  |
        | high  | first |
"""


def _messages(text: str, path: str = "events/order.feature") -> list[str]:
    return [str(problem) for problem in problems([parse(path, text)])]


def test_nothing_is_wrong_with_a_good_file() -> None:
    """A file as it should be has no problems."""
    assert _messages(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Scenario Outline: Second", "Scenario Outline: First", "scenario 'First': has the title of the scenario in"),
        ("      When it runs\n      Then it is in order\n", "", "scenario 'First': has no steps"),
        ("      Then it is in order\n", "", "scenario 'First': has no Then, and so asserts nothing"),
        ("        | low   | last  |\n        | high  | first |\n", "", "scenario 'Second': has Examples without rows"),
        (
            "        | level | found |\n        | low   | last  |\n        | high  | first |\n",
            "",
            "scenario 'Second': has Examples without rows in line",
        ),
        ("| high  | first |", "| low   | last  |", "scenario 'Second': has the row found=last, level=low 2 times"),
        ("| found |\n        | low   | last  |\n        | high  | first |", "| on |\n | a | b |", "a column 'on'"),
        ("Then it is <found>", "Then it is found", "scenario 'Second': never uses its column 'found'"),
        ("Then it is in order", "Then it is <found>", "scenario 'First': uses <found>, but has no Examples"),
        ("at <level>", "at <tpl>", "scenario 'Second': uses <tpl>, which is no column of its Examples"),
        ("| level | found |", "| level | level |", "scenario 'Second': has the column 'level' 2 times"),
        ("      Examples:", "      @EVT-01.3\n      Examples:", "scenario 'Second': has tags on its Examples"),
        ("@EVT-01.2 ", "@EVT-02.2 ", "expected an id that begins with @EVT-01., as its rule's does, not @EVT-02.2"),
        ("@EVT-01.2 ", "", "scenario 'Second': expected one id tag like @EVT-01.1, found none"),
        ("@EVT-01.2 ", "@EVT-01.2 @EVT-01.3 ", "expected one id tag like @EVT-01.1, not @EVT-01.2 and @EVT-01.3"),
        ("@EVT-01.2 ", "@EVT-01.1 ", "id @EVT-01.1: is taken already by features/events/order.feature:13"),
        ("@EVT-01 ", "", "rule 'Events run in order': expected one id tag like @EVT-04, found none"),
        ("@EVT-01 ", "@EBS-01 ", "expected an id that begins with EVT-, as all in this folder do, not @EBS-01"),
        ("@core", "@core @os", "rule 'Events run in order': expected one party tag, not @core and @os"),
        ("@core ", "", "rule 'Events run in order': expected one party tag, found none"),
        ("@uefi", "@uefi @advisory", "expected one basis tag, not @uefi and @advisory"),
        ("@uefi ", "", "expected one basis tag, found none"),
        ("@since-2.9", "@since-2.9 @since-2.7", "expected at most one revision tag, not @since-2.9 and @since-2.7"),
        ("@T41 ", "", "expected at least one claim tag, found none"),
        ("@on-none ", "", "expected at least one machine kind tag, found none"),
        ("@limit", "@skip", "rule 'Events run in order': has the unknown tag @skip"),
        ("@limit", "@T99", "rule 'Events run in order': has the unknown tag @T99"),
        ("@limit", "@EVT", "rule 'Events run in order': may not have the tag @EVT"),
        ("@limit", "@core", "rule 'Events run in order': has the tag @core 2 times"),
        ("@needs-dram-dump", "@needs-luck", "scenario 'First': has the unknown tag @needs-luck"),
        ("@needs-dram-dump", "@core", "scenario 'First': may not have the tag @core"),
        ("@EVT\n", "@SEV\n", "feature 'Order': expected no tag but @EVT on a Feature, not @SEV"),
        ("And a queue", "And a queue\n      And a bell", "expected a Background of at most 2 lines, not 3"),
        ("    Source: UEFI 2.10, 7.1.\n", "", "expected a description that cites its source, found none"),
        ("Rule: Events run in order", "Rule:", "expected a sentence as its name, found none"),
        ("Scenario: First", "Scenario:", "expected a title, found none"),
        ("      When it runs\n      Then it is in", "      And it runs\n      Then it is in", "begins with And or But"),
    ],
)
def test_what_a_runner_would_lose_is_refused(old: str, new: str, message: str) -> None:
    """Each way to lose, double or misread a scenario is named, with file, line and scenario."""
    assert old in GOOD
    found = _messages(GOOD.replace(old, new, 1))
    assert any(message in line for line in found), found
    assert all(line.startswith("features/events/order.feature:") for line in found)


def test_an_outline_without_examples_is_refused() -> None:
    """An outline without any Examples block would run with its columns unfilled."""
    found = _messages(GOOD[: GOOD.index("      Examples:")])
    assert "scenario 'Second': is an outline without Examples" in "\n".join(found)


def test_an_unknown_folder_is_refused() -> None:
    """A feature file in a folder without prefix has no ids."""
    assert "expected in one of the folders threat_model" in _messages(GOOD, "misc/order.feature")[0]


def test_scenarios_outside_a_rule_are_refused() -> None:
    """A scenario that no rule owns would be judged for nothing."""
    stray = "Feature: F\n  Background:\n    Given a\n  Scenario: Lost\n    Then b\n"
    found = "\n".join(_messages(stray))
    assert "scenario 'Lost': stands outside of any Rule" in found
    assert "a Background belongs inside a Rule" in found
    assert "feature 'F': has no Rule" in found


def test_ids_are_unique_over_files() -> None:
    """The same id in two files is refused at its second place."""
    files = [parse("events/a.feature", GOOD), parse("events/b.feature", GOOD)]
    found = [str(problem) for problem in problems(files)]
    assert found[0] == "features/events/b.feature:5: id @EVT-01: is taken already by features/events/a.feature:5"
    assert len(found) == 3
