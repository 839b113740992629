"""Feature files as they stand."""

from pathlib import Path

import pytest

from sevconf.errors import SuiteError
from sevconf.suite.source import Step, parse, read

TEXT = """
Feature: F
  Some prose.

  Rule: R
    Background:
      Given a

    Scenario Outline: Same
      When it <acts>
        \"\"\"
        with <words>
        \"\"\"
      And more
        | <cell> |
      Then done

      Examples:
        | acts | words | cell |
        | runs | two   | x    |

    Scenario: Same
      * anything
"""


def test_everything_is_read_as_it_stands() -> None:
    """Rules, backgrounds, steps by type, doc strings, cells, tables and doubled titles are all there."""
    feature = parse("events/f.feature", TEXT)
    assert (feature.folder, feature.description) == ("events", "Some prose.")
    (rule,) = feature.rules
    assert [step.text for step in rule.background] == ["a"]
    outline, second = rule.scenarios
    assert outline.title == second.title == "Same"
    assert [step.type for step in outline.steps] == ["when", "when", "then"]
    assert set().union(*(step.placeholders for step in outline.steps)) == {"acts", "words", "cell"}
    assert outline.tables[0].rows == (("runs", "two", "x"),)
    assert second.steps[0].type == ""


def test_columns_are_put_in_place() -> None:
    """A sentence is rendered with its columns; what is no column stays."""
    assert Step("given", "<a> and <b>", 1).rendered({"a": "1"}) == "1 and <b>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Feature: F\n  Nonsense: x\n  Scenario: S\n    Given a\n    What b\n", "this is no valid Gherkin"),
        ("# nothing\n", "expected a Feature, found none"),
    ],
)
def test_what_is_no_feature_is_refused(text: str, message: str) -> None:
    """A file that is no Gherkin, or holds no Feature, is refused by name."""
    with pytest.raises(SuiteError, match=message) as raised:
        parse("events/f.feature", text)
    assert "events/f.feature" in str(raised.value)


def test_text_must_be_utf_8(tmp_path: Path) -> None:
    """A file in another encoding is refused by name."""
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "f.feature").write_bytes(b"Feature: \xff\n")
    with pytest.raises(SuiteError, match=r"f\.feature: not UTF-8"):
        read(tmp_path)
