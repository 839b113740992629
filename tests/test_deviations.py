"""Deviations: what they cover does not count, and whatever is wrong with one fails the run."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from sevconf.cli import main
from sevconf.deviations import Deviation, apply, draft, evidence, load
from sevconf.errors import UsageError
from sevconf.reporting.files import from_json, read_report, to_json, write
from sevconf.reporting.report import Report
from sevconf.reporting.table import table
from sevconf.verdict import Verdict
from tests.miniature import FEATURE, plant
from tests.miniature import rule as feature_rule
from tests.reporting.sample import BREACH, report, row, rule

TODAY = date(2026, 5, 1)
LINK = "https://example.org/bugs/1"


def _failing() -> Report:
    """Return a report with a row that fails, a breach, a row that passes, and a failure that does not count."""
    return report(
        rule("DRV-01", Verdict.NONCONFORMING, rows=(row(Verdict.PASSED, "DRV-01"),), breaches=(BREACH,)),
        rule("EVT-01", Verdict.NONCONFORMING),
        rule("EVT-02"),
        rule("EVT-20", Verdict.NONCONFORMING, apart="advisory"),
    )


def _deviation(name: str = "EVT-01", **changes: object) -> Deviation:
    found = {entry.id: entry for entry in _failing().rules}.get(name, _failing().rules[1])
    entry = Deviation(name, "ovmf", "known since spring", LINK, TODAY, evidence(found))
    return replace(entry, **changes)  # type: ignore[arg-type]


def test_what_is_covered_stays_nonconforming_and_does_not_count() -> None:
    """Covering every failure makes the exit code 0, and changes no verdict and no total."""
    failing = _failing()
    covered = apply(failing, (_deviation(), _deviation("DRV-01")), TODAY)
    assert (failing.exit_code(), covered.exit_code()) == (1, 0)
    assert covered.totals() == failing.totals()
    text = table(covered)
    assert "deviation  known since spring (https://example.org/bugs/1; until 2026-05-01)" in text
    assert "ovmf conforms but for its deviations: " in text
    assert "; 2 covered by deviations (exit code 0)" in text
    assert from_json(to_json(covered)) == covered


def test_a_failure_that_nobody_covers_still_counts() -> None:
    """One deviation of two does not make the run pass, be it the breach or the row that is left."""
    for name in ("EVT-01", "DRV-01"):
        assert apply(_failing(), (_deviation(name),), TODAY).exit_code() == 1


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (_deviation(expires=date(2026, 4, 30)), "expired on 2026-04-30"),
        (_deviation(evidence="0" * 64), f"the evidence is another one now: {_deviation().evidence}"),
        (_deviation("EVT-02"), "matches nothing: EVT-02 is passed"),
        (_deviation("EVT-20"), "matches nothing: EVT-20 does not count here (advisory)"),
        (_deviation("XYZ-01"), "matches nothing: the run has no rule XYZ-01"),
        (_deviation(target="another"), "matches nothing: the target is ovmf"),
    ],
)
def test_a_deviation_that_does_not_hold_fails_the_run(entry: Deviation, why: str) -> None:
    """It covers nothing, and fails even a run in which all else is covered."""
    others = [_deviation("DRV-01"), *([] if entry.rule == "EVT-01" else [_deviation()])]
    found = apply(_failing(), (*others, entry), TODAY)
    assert [refused.refused for refused in found.refused] == [why]
    assert found.exit_code() == 1
    assert why in " ".join(table(found).split())
    conforming = apply(report(rule("EVT-02")), (replace(entry, rule="EVT-02"),), TODAY)
    assert conforming.exit_code() == 1


def test_a_rule_that_was_not_run_is_left_alone() -> None:
    """A run of some rules says nothing of deviations for others."""
    some = replace(_failing(), rules=_failing().rules[1:3], selection=("EVT-01", "EVT-02"))
    found = apply(some, (_deviation(), _deviation("DRV-01")), TODAY)
    assert ([entry.rule for entry in found.deviations], found.exit_code()) == (["EVT-01"], 0)


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("A ran before B at step 99, and read 0xFF", True),
        ("A ran before B at step 7, and read 0x10", True),
        ("A ran twice before B at step 7, and read 0x10", False),
    ],
)
def test_evidence_knows_what_is_the_same(words: str, same: bool) -> None:
    """Addresses and places in the trace may differ, words and numbers of anything else not."""
    first = rule(rows=(row(Verdict.NONCONFORMING, observed="A ran before B at step 7, and read 0x10"),))
    other = rule(rows=(row(Verdict.NONCONFORMING, observed=words),))
    assert (evidence(first) == evidence(other)) is same


def test_one_more_row_that_fails_is_other_evidence() -> None:
    """What was borne on one row is not borne on the next."""
    one = rule(rows=(row(Verdict.NONCONFORMING), row(Verdict.PASSED, number=2)))
    two = rule(rows=(row(Verdict.NONCONFORMING), row(Verdict.NONCONFORMING, number=2)))
    assert evidence(one) != evidence(two)
    assert evidence(one) != evidence(replace(one, breaches=(BREACH,)))


def test_a_draft_covers_what_it_was_drawn_from(tmp_path: Path) -> None:
    """What is drafted reads back and makes the same report pass; what does not count is not in it."""
    file = tmp_path / "deviations.toml"
    file.write_text(draft(_failing(), reason='it is "known"\n', link=LINK, expires=TODAY), encoding="utf-8")
    entries = load(file)
    assert [entry.rule for entry in entries] == ["DRV-01", "EVT-01"]
    assert apply(_failing(), entries, TODAY).exit_code() == 0


_WHOLE = f"""[[deviation]]
rule = "EVT-01"
target = "ovmf"
reason = "known"
link = "{LINK}"
expires = 2026-05-01
evidence = "{"ab" * 32}"
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('reason = "known"\n', "", "deviation 1: expected words in 'reason', not None"),
        ('"known"', '"  "', "expected words in 'reason', not '  '"),
        ('"EVT-01"', "1", "expected words in 'rule', not 1"),
        ("2026-05-01", '"soon"', "expected a date in 'expires', such as 2027-03-31, not 'soon'"),
        ("2026-05-01", "2026-05-01T00:00:00Z", "expected a date in 'expires'"),
        ("https:", "file:", "expected an http or https address in 'link', not 'file:"),
        ('"abab', '"zbab', "expected 64 hex digits in 'evidence'"),
        ("reason", "raeson", "has no field 'raeson'\nhint: did you mean reason?"),
        ("[[deviation]]", "[deviation]", "expected [[deviation]] tables alone, not deviation"),
        ("[[deviation]]", "[[deviations]]", "expected [[deviation]] tables alone, not deviations"),
        ("[[deviation]]", "deviation = [1]\n[x]", "expected [[deviation]] tables alone"),
        (_WHOLE, "deviation = [1]", "deviation 1: expected a table, not 1"),
        (_WHOLE, _WHOLE * 2, "expected one deviation for EVT-01 and ovmf, not two"),
        ("rule =", "rule", "not TOML: "),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, before: str, after: str, message: str) -> None:
    """The message says where, what was expected and what is there."""
    assert before in _WHOLE
    file = tmp_path / "deviations.toml"
    file.write_text(_WHOLE.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        load(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert message in str(refused.value)


def test_from_a_run_to_its_deviations_and_back(tmp_path: Path) -> None:
    """A draft with its reason left empty is refused, a whole one is kept, and covers the run that it came from."""

    def sevconf(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, arguments)
        return done.exit_code, done.output

    saved, file = str(tmp_path / "report.json"), str(tmp_path / "deviations.toml")
    write(Path(saved), to_json(_failing()))
    assert sevconf("deviations", "init", saved, "-o", file) == (0, "")
    code, text = sevconf("deviations", "check", file, saved)
    assert (code, "expected words in 'reason', not ''" in text) == (2, True)
    assert sevconf("deviations", "init", saved, "-o", file)[0] == 2
    Path(file).unlink()
    whole = ("--reason", "known", "--link", LINK, "-o", file)
    assert sevconf("deviations", "init", saved, *whole)[0] == 0
    assert sevconf("deviations", "check", file, saved)[0] == 0
    Path(file).unlink()
    assert sevconf("deviations", "init", saved, *whole, "--expires", "2020-01-01")[0] == 0
    code, text = sevconf("deviations", "check", file, saved, "--json")
    assert (code, text.count('"refused": "expired on 2020-01-01"')) == (1, 2)


def test_a_run_takes_deviations_and_keeps_the_traces_of_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a failing run over its draft to a run that does not fail, whose report says which step decided and why."""
    plant(
        tmp_path / "suite",
        monkeypatch,
        FEATURE,
        feature_rule("the row is wrong", number=2, tags="@driver @uefi @T42 @on-none"),
    )
    folder, file = tmp_path / "report", str(tmp_path / "deviations.toml")
    run = ("run", "-t", "fake", "-q", "--report-dir", str(folder))
    assert CliRunner().invoke(main, run).exit_code == 1
    assert [path.name for path in (folder / "traces").iterdir()] == ["EVT-02.1{on=none}.jsonl"]
    init = ("deviations", "init", str(folder), "--reason", "known", "--link", LINK, "-o", file)
    assert CliRunner().invoke(main, init).exit_code == 0
    done = CliRunner().invoke(main, (*run, "--deviations", file))
    assert (done.exit_code, "1 nonconforming; 1 covered by deviations (exit code 0)" in done.output) == (0, True)
    kept = next(each for each in read_report(folder).rows if each.verdict is Verdict.NONCONFORMING)
    assert (kept.step, kept.deviation.startswith(f"known ({LINK}; until ")) == (3, True)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "✗ decided against 1 row" in page
    assert "Sequence diagram of EVT-02.1{on=none}" in page
    Path(file).write_text(Path(file).read_text(encoding="utf-8").replace("EVT-02", "EVT-01"), encoding="utf-8")
    done = CliRunner().invoke(main, (*run, "--deviations", file))
    assert (done.exit_code, "; 1 deviation refused" in done.output) == (1, True)
