"""A report held against a baseline: only what is new fails."""

from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from sevconf.cli import main
from sevconf.reporting.baseline import hold
from sevconf.reporting.compare import matrix, side_by_side
from sevconf.reporting.files import to_json, write
from sevconf.reporting.report import Report
from sevconf.verdict import Verdict
from tests.reporting.sample import BREACH, report, row, rule

_BROKEN = rule("EVT-01", Verdict.NONCONFORMING)
_CRASHED = rule("EVT-02", Verdict.TARGET_FAILED)


def test_a_known_failure_does_not_fail_again() -> None:
    """It is known by rule and row, whatever is said about it today."""
    other = replace(_BROKEN, rows=(replace(_BROKEN.rows[0], observed="B ran before A"),))
    held = hold(report(_BROKEN), report(other))
    assert (len(held.known), held.new, held.gone, held.exit_code) == (1, (), (), 0)


def test_a_new_failure_fails() -> None:
    """A row that failed differently, another row, a breach: each is new."""
    for new in (_CRASHED, replace(rule("EVT-02"), breaches=(BREACH,)), rule("EVT-02", Verdict.NONCONFORMING)):
        held = hold(report(_BROKEN, rule("EVT-02")), report(_BROKEN, new))
        assert ([failure.rule for failure in held.new], held.exit_code) == (["EVT-02"], 1)


def test_what_does_not_count_is_no_failure() -> None:
    """Rules that stand apart, and rows that a deviation covers, are not new."""
    apart = rule("EVT-03", Verdict.NONCONFORMING, apart="advisory")
    covered = rule("EVT-04", rows=(row(Verdict.NONCONFORMING, "EVT-04", deviation="known"),))
    assert hold(report(), report(apart, covered)).exit_code == 0


def test_what_was_mended_is_told_and_what_was_not_run_is_not() -> None:
    """A failure is gone if its row was judged and does not fail; a row that was not run says nothing."""
    assert [failure.rule for failure in hold(report(_BROKEN), report(rule("EVT-01"))).gone] == ["EVT-01"]
    assert hold(report(_BROKEN), report(rule("EVT-02"))).gone == ()


def test_an_error_of_ours_is_no_pass() -> None:
    """A row that was not judged because of us cannot be taken for conforming."""
    assert hold(report(), report(rule("EVT-02", Verdict.ERROR))).exit_code == 3


def _saved(folder: Path, *reports: Report) -> list[str]:
    paths = [folder / f"{number}.json" for number in range(len(reports))]
    for path, each in zip(paths, reports, strict=True):
        write(path, to_json(each))
    return [str(path) for path in paths]


def test_diff_from_the_command_line(tmp_path: Path) -> None:
    """It names what is new, also as JSON, and ends with 1."""
    old, new = _saved(tmp_path, report(_BROKEN, rule("EVT-02")), report(_BROKEN, _CRASHED))
    told = CliRunner().invoke(main, ["diff", new, "--baseline", old])
    assert (told.exit_code, told.output.splitlines()[-1]) == (1, "1 new, 0 gone, 1 known")
    plain = CliRunner().invoke(main, ["diff", new, "--baseline", old, "--json"])
    assert '"kind": "target-failed"' in plain.output
    assert CliRunner().invoke(main, ["diff", old, "--baseline", old]).exit_code == 0


def test_many_reports_stand_side_by_side(tmp_path: Path) -> None:
    """Rules that differ are told for every target, those that agree only in the page and as JSON."""
    every = [report(_BROKEN, rule("EVT-03")), report(rule("EVT-01"), rule("EVT-03")), report(rule("EVT-03"))]
    every = [replace(each, target=replace(each.target, name=name)) for each, name in zip(every, "abb", strict=True)]
    sides = side_by_side(every)
    assert [side.name for side in sides] == ["a", "b (2)", "b (3)"]
    differ = next(section for section in matrix(sides) if section.title.startswith("Rules"))
    assert differ.title == "Rules that differ (1 of 2)"
    assert differ.rows == (("EVT-01", "nonconforming", "passed", "absent"),)
    paths, page = _saved(tmp_path, *every), tmp_path / "page.html"
    told = CliRunner().invoke(main, ["compare", *paths, "--html", str(page)])
    assert (told.exit_code, "EVT-01  nonconforming  passed   absent" in told.output) == (0, True)
    assert page.read_text(encoding="utf-8").count('<th scope="row">EVT-0') == 2
    assert '"b (3)": "absent"' in CliRunner().invoke(main, ["compare", *paths, "--json"]).output
    one = CliRunner().invoke(main, ["compare", paths[0]])
    assert (one.exit_code, one.output) == (2, "error: expected two reports or more to compare, not one\n")
