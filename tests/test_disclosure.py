"""What may be published of a report: public findings with their source, of the others their number and hash."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from sevconf.disclosure import Declared, Disclosed, Public, bad_rows, declared
from sevconf.errors import UsageError
from sevconf.reporting.record import RowRecord
from sevconf.reporting.report import Report
from sevconf.verdict import Verdict
from tests.reporting.sample import everything


def _report() -> Report:
    """Return a report of two rules that count, both with one bad row."""
    sample = everything()
    one, other = sample.rules[:2]
    bad = RowRecord("X-01.1{on=sev}", Verdict.NONCONFORMING, observed="what nobody may read yet")
    hidden = replace(bad, id="X-02.1{on=sev}")
    rules = (replace(one, rows=(bad,), breaches=()), replace(other, rows=(hidden,), breaches=()))
    return replace(sample, rules=rules)


def _declared(report: Report, *, withheld: tuple[str, ...]) -> Declared:
    public = (Public(report.rules[0].id, 1, "because", "a commit"),)
    return Declared("X", public, len(withheld), hashlib.sha256("\n".join(sorted(withheld)).encode()).hexdigest())


def test_what_is_public_is_told_and_the_rest_counted() -> None:
    """A rule without a public source shows as withheld, without its rows and what was seen."""
    report = _report()
    disclosed = Disclosed(report, _declared(report, withheld=bad_rows(report.rules[1])))
    assert [*disclosed.differences()] == []
    text = disclosed.markdown()
    assert "Withheld, as not public yet: 1 findings." in text
    assert f"| {report.rules[0].id} | 1 | because | a commit |" in text
    assert "withheld" in next(line for line in text.splitlines() if line.startswith(f"| {report.rules[1].id} |"))
    assert "nobody may read" not in text


def test_a_change_is_a_difference() -> None:
    """Another number of public findings, or other withheld ones, are told; which, is not."""
    report = _report()
    wrong = _declared(report, withheld=("another row",))
    assert [line.partition(":")[0] for line in Disclosed(report, wrong).differences()] == ["withheld"]
    none = replace(report, rules=(replace(report.rules[0], rows=()), report.rules[1]))
    found = [*Disclosed(none, _declared(report, withheld=bad_rows(report.rules[1]))).differences()]
    assert found == [f"{report.rules[0].id}: expected 1 findings, not 0"]


def test_declarations_that_are_none(tmp_path: Path) -> None:
    """A file that does not say all of it is wrong use."""
    path = tmp_path / "declared.toml"
    path.write_text('target = "X"\n')
    with pytest.raises(UsageError, match=r"declared\.toml: expected declarations"):
        declared(path)
