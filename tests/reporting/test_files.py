"""Reports as files: written whole, read back, refused when they are not what they say."""

import json
from pathlib import Path
from typing import Any

import pytest

from sevconf.errors import RecordError, SevconfError
from sevconf.reporting.files import from_json, read_report, to_json, write, write_all
from sevconf.reporting.record import RowRecord
from sevconf.verdict import Verdict
from tests.reporting.sample import everything


def test_a_report_reads_back() -> None:
    """What is written is what is read."""
    report = everything()
    assert from_json(to_json(report)) == report


def test_a_report_holds_what_it_must() -> None:
    """The fields that readers rely on are there, by these names."""
    fields = json.loads(to_json(everything()))
    assert list(fields) == [
        *("schema", "suite_version", "rule_set_version", "target", "profile", "seed", "selection"),
        *("totals", "rules", "claims", "footer"),
    ]
    assert fields["target"] == {
        "name": "ovmf",
        "kind": "firmware",
        "sha256": "cd" * 32,
        "package": "ovmf",
        "version": "2022.11",
        "tools": {"qemu": "7.2"},
        "limits": [],
        "revision": "2.7",
    }
    assert fields["footer"] == {"expected": 10, "suite_sha256": "ef" * 32}
    assert list(fields["totals"]["claims"]) == [kind.value for kind in Verdict]


def test_no_times_in_a_report(tmp_path: Path) -> None:
    """How long rows took is written apart."""
    records = [RowRecord("B", Verdict.PASSED, seconds=0.5), RowRecord("A", Verdict.PASSED, seconds=0.25)]
    write_all(everything(), records, tmp_path)
    assert "seconds" not in (tmp_path / "report.json").read_text()
    assert list(json.loads((tmp_path / "timings.json").read_text()).items()) == [("A", 0.25), ("B", 0.5)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("conformance.md", "junit.xml", "report.json", "timings.json"),
    ]


def test_the_same_report_is_the_same_text(tmp_path: Path) -> None:
    """Two reports of the same run are equal byte for byte, in every form that is kept."""
    for folder in ("1", "2"):
        write_all(everything(), [], tmp_path / folder)
    for name in ("report.json", "conformance.md", "junit.xml"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_report_is_found_in_its_folder(tmp_path: Path) -> None:
    """A report is read from its file or from the folder that holds it."""
    write_all(everything(), [], tmp_path)
    assert read_report(tmp_path) == read_report(tmp_path / "report.json") == everything()


def test_a_file_is_written_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails half way, the old file is still there."""
    path = tmp_path / "report.json"
    write(path, "old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(SevconfError, match="cannot be written: full"):
        write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def _changed(**fields: Any) -> str:
    return json.dumps({**json.loads(to_json(everything())), **fields})


def _without_a_rule() -> str:
    return _changed(rules=json.loads(to_json(everything()))["rules"][1:])


def _with_a_rule_twice() -> str:
    rules = json.loads(to_json(everything()))["rules"]
    return _changed(rules=rules + rules[:1])


def _with_a_row_twice() -> str:
    rules = json.loads(to_json(everything()))["rules"]
    rules[1]["scenarios"] *= 2
    return _changed(rules=rules)


def _touched_up() -> str:
    return to_json(everything()).replace('"verdict": "nonconforming"', '"verdict": "passed"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no whole JSON document"),
        (to_json(everything())[:-200], "no whole JSON document"),
        (to_json(everything()) * 2, "no whole JSON document"),
        ("[]", "expected a report of schema sevconf-report/1, not None"),
        ('{"schema": "bowtie/2"}', "expected a report of schema sevconf-report/1, not 'bowtie/2'"),
        ('{"schema": "sevconf-report/1"}', "not a whole report: KeyError"),
        (_changed(rules=[{"id": 1}]), "not a whole report"),
        (_changed(footer={}), "not a whole report"),
        (_changed(target=7), "not a whole report"),
        (_without_a_rule(), "expected 10 rows, as its footer says, not 9"),
        (_with_a_rule_twice(), "holds the row DRV-01.1{on=none} more than once"),
        (_with_a_row_twice(), "holds the row EVT-01.1{on=none} more than once"),
        (_touched_up(), "its totals are not those of its rows, rules and claims"),
    ],
)
def test_what_is_no_whole_report_is_refused(text: str, message: str) -> None:
    """A truncated, doubled, foreign or touched-up report is refused by what is wrong with it."""
    with pytest.raises(RecordError) as raised:
        from_json(text)
    assert message in str(raised.value)


def test_a_missing_report_is_told(tmp_path: Path) -> None:
    """A folder without a report is refused by name."""
    with pytest.raises(RecordError, match=r"expected a folder with report\.json") as raised:
        read_report(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_the_file_is_named(tmp_path: Path) -> None:
    """What is wrong with a report is told with its path."""
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(RecordError, match="expected a report of schema") as raised:
        read_report(tmp_path)
    assert str(raised.value).startswith(str(tmp_path))
