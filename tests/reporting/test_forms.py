"""Reports for machines: each is read by its own format's reader, and says what the report says."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cucumber_messages
import jsonschema
import pytest
from cucumber_messages.json_converter import JsonDataclassConverter
from junitparser import JUnitXml
from sarif_pydantic import Sarif

from sevconf.reporting import files
from sevconf.reporting.cucumber import cucumber
from sevconf.reporting.files import to_json, trace_file
from sevconf.reporting.forms import write_forms
from sevconf.reporting.html import report_page
from sevconf.reporting.junit import junit
from sevconf.reporting.report import Report
from sevconf.reporting.sarif import sarif
from sevconf.reporting.summary import MOST, summary
from sevconf.suite import Catalogue, load
from sevconf.suite.locate import suite_root
from sevconf.trace import ServiceCall, Trace
from sevconf.trace.codec import digest, encode
from sevconf.verdict import Verdict
from sevconf.vocabulary import Tpl
from tests.reporting.sample import BREACH, everything, report, row, rule

SCHEMA = json.loads(Path(files.__file__).with_name("report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Return the suite."""
    return load(suite_root())


def _real(catalogue: Catalogue) -> Report:
    """Return a report of two real rules: a row that fails at its third step, and rows that do not."""
    found = []
    for name, first, others in (
        ("DRV-01", Verdict.NONCONFORMING, Verdict.PASSED),
        ("DMA-06", Verdict.NOT_JUDGED, Verdict.INCONCLUSIVE),
    ):
        ids = [row_.id for scenario in catalogue.rules[name].scenarios for row_ in scenario.rows]
        made = (replace(row(first), id=ids[0], step=3), *(replace(row(others), id=id_) for id_ in ids[1:]))
        found.append(replace(rule(name, rows=made), file=catalogue.rules[name].file))
    return report(*found)


def test_report_json_is_as_its_schema_says() -> None:
    """A report with one of everything fits the schema that the package carries, deviations and all."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(to_json(everything())), SCHEMA)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: fields.pop("footer"),
        lambda fields: fields.update(schema="sevconf-report/2"),
        lambda fields: fields.update(extra=1),
        lambda fields: fields["totals"]["rules"].pop("passed"),
        lambda fields: fields["rules"][0].update(verdict="good"),
        lambda fields: fields["rules"][0]["scenarios"][0].update(step=0),
        lambda fields: fields["rules"][0]["breaches"][0].pop("culprit"),
    ],
)
def test_the_schema_refuses_what_is_no_report(spoil: Callable[[dict[str, Any]], object]) -> None:
    """The schema is no schema of anything: what lacks a field or has a foreign one does not fit."""
    fields = json.loads(to_json(everything()))
    spoil(fields)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(fields, SCHEMA)


def test_sarif_reads_back(catalogue: Catalogue) -> None:
    """Failures and breaches are results, inconclusive rows are to be reviewed, and rules that stand apart only note."""
    run = Sarif.model_validate_json(sarif(everything(), catalogue)).runs[0]
    assert run.results is not None
    found = Counter((result.rule_id, result.kind, result.level.value) for result in run.results)
    assert found == {
        ("DRV-01", "fail", "error"): 1,
        ("EVT-02", "fail", "error"): 1,
        ("EVT-03", "fail", "error"): 1,
        ("EVT-04", "review", "none"): 1,
        ("EVT-20", "fail", "note"): 1,
    }
    assert run.tool.driver.rules is not None
    assert all(run.tool.driver.rules[result.rule_index or 0].id == result.rule_id for result in run.results)
    plain = json.loads(sarif(everything(), catalogue))["runs"][0]
    assert plain["invocations"][0] == {
        "executionSuccessful": False,
        "exitCode": 3,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": "EVT-07.1{on=none}: because of error"}},
        ],
    }
    prints = [result["partialFingerprints"]["sevconfRow/v1"] for result in plain["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_points_where_the_reader_can_mend(catalogue: Catalogue) -> None:
    """A Python file that was judged is the place; else the scenario is, by its line."""
    found = _real(catalogue)
    place = json.loads(sarif(found, catalogue))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    scenario = catalogue.rules["DRV-01"].scenarios[0]
    assert place["artifactLocation"]["uri"] == f"features/{catalogue.rules['DRV-01'].file}"
    assert place["region"]["startLine"] == scenario.line
    mine = replace(found, target=replace(found.target, name="my drivers/ahci.py:Ahci"))
    place = json.loads(sarif(mine, catalogue))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20drivers/ahci.py"


def test_a_deviation_is_a_suppression(catalogue: Catalogue) -> None:
    """A viewer shows what a deviation covers as accepted, with the reason."""
    covered = report(rule(verdict=Verdict.NONCONFORMING, rows=(row(Verdict.NONCONFORMING, deviation="known"),)))
    result = json.loads(sarif(covered, catalogue))["runs"][0]["results"][0]
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "known"}]


def test_cucumber_messages_read_back(catalogue: Catalogue) -> None:
    """Every line is a message to their own reader, every row a test case, and the step that decided has failed."""
    found = _real(catalogue)
    converter = JsonDataclassConverter(module_scope=cucumber_messages)
    lines = cucumber(found, catalogue).splitlines()
    messages = [converter.from_dict(json.loads(line), cucumber_messages.Envelope) for line in lines]
    started = [message.test_case_started for message in messages if message.test_case_started]
    assert [case.id for case in started] == [f"attempt {row.id}" for row in found.rows]
    steps: dict[str, list[str]] = {}
    for message in messages:
        if step := message.test_step_finished:
            steps.setdefault(step.test_case_started_id, []).append(step.test_step_result.status.value)
    bad, good = (f"attempt {row.id}" for row in found.rules[0].rows[:2])
    assert steps[bad] == ["PASSED", "PASSED", "FAILED", "SKIPPED"]
    assert set(steps[good]) == {"PASSED"}
    assert set(steps[f"attempt {found.rules[1].rows[0].id}"]) == {"SKIPPED"}
    assert [message.test_run_finished.success for message in messages if message.test_run_finished] == [False]
    ids = [json.loads(line)["pickle"]["id"] for line in lines if '"pickle":' in line[:12]]
    assert len(ids) == len(set(ids)) == len(found.rows)


def test_cucumber_pickles_speak_of_sentences_that_are_there(catalogue: Catalogue) -> None:
    """Each step of a pickle names a node of the document before it, so that a viewer finds its line."""
    lines = [json.loads(line) for line in cucumber(_real(catalogue), catalogue).splitlines()]
    documents = json.dumps([line for line in lines if "gherkinDocument" in line])
    pickles = [line["pickle"] for line in lines if "pickle" in line]
    nodes = {node for pickle in pickles for step in pickle["steps"] for node in step["astNodeIds"]}
    assert nodes
    assert all(f'"id": "{node}"' in documents for node in nodes)


def test_junit_reads_back() -> None:
    """The counts that CI shows are those of the report."""
    read = JUnitXml.fromstring(junit(everything()).encode())
    assert (read.tests, read.failures, read.errors) == (11, 3, 2)


def test_a_summary_lists_what_counts_and_no_more_than_it_may() -> None:
    """Every kind of verdict stands there, also when zero; of very many failures only the first are told."""
    text = summary(everything())
    assert text.startswith("### 💥 ovmf is not judged: an error of ours: ")
    assert "| not-testable | 0 | 0 | 1 |" in text
    assert f"| DRV-01 | DRV-01 holds | {BREACH.row} | breach |" in text
    assert "EVT-20 |" not in text
    rows = tuple(row(Verdict.NONCONFORMING, number=number) for number in range(1, MOST + 4))
    many = summary(report(rule(verdict=Verdict.NONCONFORMING, rows=rows)))
    assert many.count("A ran before B") == MOST
    assert "\n3 more are in report.json.\n" in many


def test_the_same_report_makes_the_same_forms(tmp_path: Path, catalogue: Catalogue) -> None:
    """No form holds a time, a path or an order that differs from run to run."""
    for folder in ("1", "2"):
        write_forms(_real(catalogue), catalogue, tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == ["cucumber.ndjson", "report.html", "report.sarif", "summary.md"]
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_page_escapes_what_it_is_told_and_says_which_text_it_has(catalogue: Catalogue) -> None:
    """Words of a target cannot become markup, and a report of another suite is said to be one."""
    evil = row(Verdict.NONCONFORMING, observed="<script>alert(1)</script>", culprit='"><b>')
    page = report_page(report(rule(verdict=Verdict.NONCONFORMING, rows=(evil,))), catalogue)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert '"><b>' not in page
    assert "The rules' text below is of the suite at hand, which is not the one that judged" in page
    own = replace(_real(catalogue), suite_sha256=catalogue.hash)
    assert "which is not the one that judged" not in report_page(own, catalogue)


def test_a_trace_of_another_run_is_not_drawn(tmp_path: Path, catalogue: Catalogue) -> None:
    """Only the trace whose hash the report names makes a picture of its row."""
    trace = Trace()
    trace.record(ServiceCall, "core", None, Tpl.APPLICATION, service="Stall", arguments=())
    name = "EVT-01.1{on=none}"
    (tmp_path / trace_file(name)).write_text("\n".join(encode(trace, name)), encoding="utf-8")
    for hash_, drawn in ((digest(trace, name), True), ("ab" * 32, False)):
        failing = report(rule(rows=(row(Verdict.NONCONFORMING, trace_sha256=hash_),)))
        assert ("<svg" in report_page(failing, catalogue, tmp_path)) is drawn
