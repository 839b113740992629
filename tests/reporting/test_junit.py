"""The report for CI."""

from xml.etree import ElementTree as ET

from sevconf.reporting.junit import junit
from sevconf.reporting.record import RowRecord
from sevconf.verdict import Verdict
from tests.reporting.sample import everything, report, rule


def _results(text: str) -> dict[str, str]:
    root = ET.fromstring(text)  # noqa: S314 -- our own text
    cases = root.iter("testcase")
    return {f"{case.get('classname')} {case.get('name')}": next((part.tag for part in case), "") for case in cases}


def test_every_row_and_breach_is_a_case() -> None:
    """Findings are failures, what is not shown is an error, what is left out or stands apart is skipped."""
    assert _results(junit(everything())) == {
        "DRV-01 DRV-01.1{on=none}": "",
        "DRV-01 breach in EVT-01.1{on=none}": "failure",
        "EVT-01 EVT-01.1{on=none}": "",
        "EVT-02 EVT-02.1{on=none}": "failure",
        "EVT-03 EVT-03.1{on=none}": "failure",
        "EVT-04 EVT-04.1{on=none}": "error",
        "EVT-05 EVT-05.1{on=none}": "skipped",
        "EVT-06 EVT-06.1{on=none}": "skipped",
        "EVT-07 EVT-07.1{on=none}": "error",
        "EVT-20 EVT-20.1{on=none}": "skipped",
        "EVT-21 EVT-21.1{on=none}": "skipped",
    }


def test_a_failure_carries_its_proof() -> None:
    """The message says what was observed, the text holds the proof."""
    text = junit(report(rule("EVT-02", Verdict.NONCONFORMING)))
    failure = next(ET.fromstring(text).iter("failure"))  # noqa: S314 -- our own text
    assert failure.get("message") == "nonconforming: A ran before B"
    assert "core runs A" in (failure.text or "")


def test_what_xml_cannot_hold_is_replaced() -> None:
    """Characters that XML cannot hold do not break the file."""
    bad = RowRecord("EVT-01.1{on=none}", Verdict.ERROR, observed="a\x00b\ud800")
    assert "a?b?" in junit(report(rule(verdict=Verdict.ERROR, rows=(bad,))))
