"""The report on a terminal and as Markdown."""

import pytest

from sevconf.reporting.markdown import markdown
from sevconf.reporting.sections import outcome
from sevconf.reporting.table import table
from sevconf.verdict import Verdict
from tests.reporting.sample import BREACH, everything, report, rule


@pytest.mark.parametrize("form", [table, markdown])
def test_every_kind_is_in_the_totals(form: object) -> None:
    """Totals name every kind of verdict, also when it is zero."""
    text = form(report(rule()))  # type: ignore[operator]
    assert all(str(kind) in text for kind in Verdict)


@pytest.mark.parametrize("form", [table, markdown])
def test_everything_is_told(form: object) -> None:
    """Claims, rules, rules apart, answers, reasons and the target are all in the text."""
    text = " ".join(form(everything()).replace("\\", "").split())  # type: ignore[operator]
    for words in (
        "ovmf (firmware, ovmf 2022.11)",
        "only DRV-01, EVT-01",
        "qemu 7.2",
        "T41 is so",
        "EVT-02 holds",
        "Shown apart",
        "advisory",
        "yes, once",
        "because of unsupported",
        "it rules the suite",
        "Scenarios by folder",
        "EVT-01.1{on=none}, whose own verdict is apart from this",
    ):
        assert words in text


def test_a_finding_reads_like_a_proof() -> None:
    """A finding tells the rule, its sentence, the row, what was expected and observed, whom to blame, and how."""
    text = table(report(rule("EVT-02", Verdict.NONCONFORMING)))
    proof = """
nonconforming: EVT-02 EVT-02 holds
  row       EVT-02.1{on=none}
  expected  events run in order
  observed  A ran before B
  culprit   core
    >     3  TPL_NOTIFY      core runs A
"""
    assert proof in text


def test_a_breach_lists_its_consequences() -> None:
    """A breach tells what followed from it and is not charged."""
    text = table(report(rule(), rule("DRV-01", Verdict.NONCONFORMING, rows=(), breaches=(BREACH,))))
    assert "  later     9  TPL_APPLICATION device:disk reads again" in text


def test_markdown_cannot_be_broken_by_words() -> None:
    """Characters that mean something in Markdown are escaped in words, and left alone in proofs."""
    text = markdown(everything())
    assert "0x1000 \\| after Unmap" in text
    assert ">     7  TPL_APPLICATION device:disk reads" in text


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ((Verdict.PASSED,), "ovmf conforms: 1 passed (exit code 0)"),
        ((Verdict.PASSED, Verdict.NONCONFORMING), "ovmf does not conform: 1 passed, 1 nonconforming (exit code 1)"),
        ((Verdict.INCONCLUSIVE,), "ovmf is not shown to conform: 1 inconclusive (exit code 4)"),
        ((Verdict.ERROR,), "ovmf is not judged: an error of ours: 1 error (exit code 3)"),
        ((), "ovmf is not shown to conform: no scenarios (exit code 4)"),
    ],
)
def test_the_last_line_says_what_it_comes_to(verdicts: tuple[Verdict, ...], words: str) -> None:
    """One line sums the run up, with the exit code."""
    rules = [rule(f"EVT-{number:02}", verdict) for number, verdict in enumerate(verdicts, 1)]
    assert outcome(report(*rules)) == words
    assert table(report(*rules)).splitlines()[-1] == words


def test_breaches_are_in_the_last_line() -> None:
    """Breaches are counted beside the scenarios, which keep their verdicts."""
    broken = report(rule(), rule("DRV-01", Verdict.NONCONFORMING, rows=(), breaches=(BREACH,)))
    assert outcome(broken) == "ovmf does not conform: 1 passed; monitors saw 1 rule broken, once (exit code 1)"
