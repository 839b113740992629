"""
A report as Cucumber messages: JSON lines that viewers of Gherkin read, one pickle and one test case for each row.

A row is its scenario with one line of its Examples on one kind of machine, so each row has a pickle of its own, which
is named after it. Sentences before the one that decided passed, those behind it were skipped. Times are zero: the file
is the same from run to run.

Spec: Cucumber messages, messages.schema.json (cucumber/messages).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

from gherkin.stream.gherkin_events import GherkinEvents

from sevconf.reporting.record import RowRecord
from sevconf.reporting.report import Report
from sevconf.suite import Catalogue
from sevconf.verdict import Verdict

#: The version of the protocol that this is written to.
PROTOCOL = "27.0.0"
_ZERO = {"seconds": 0, "nanos": 0}
_STATUS = {
    Verdict.PASSED: "PASSED",
    Verdict.NOT_COUNTED: "PASSED",
    Verdict.NONCONFORMING: "FAILED",
    Verdict.TARGET_FAILED: "FAILED",
    Verdict.ERROR: "FAILED",
    Verdict.INCONCLUSIVE: "PENDING",
}


@dataclass(frozen=True, slots=True)
class _Options:
    """What gherkin-official asks to be told."""

    print_source: bool = True
    print_ast: bool = True
    print_pickles: bool = True


def cucumber(report: Report, catalogue: Catalogue) -> str:
    """Return the text of cucumber.ndjson; rows whose scenario the catalogue does not have are left out."""
    lines = (
        json.dumps(envelope, ensure_ascii=False, separators=(",", ":")) for envelope in _envelopes(report, catalogue)
    )
    return "".join(f"{line}\n" for line in lines)


def _envelopes(report: Report, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    named = {"name": "sevconf", "version": report.suite_version}
    yield {
        "meta": {
            "protocolVersion": PROTOCOL,
            "implementation": named,
            "runtime": {"name": report.target.name, "version": report.target.version or report.revision},
            "os": {"name": "any"},
            "cpu": {"name": "any"},
        }
    }
    pickles: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
    files = sorted({rule.file for rule in report.rules} & {feature.path for feature in catalogue.features})
    for file in files:
        for envelope in _parsed(file, catalogue):
            if pickle := envelope.get("pickle"):
                scenario = next(t["name"][1:] for t in pickle["tags"] if t["name"][1:] in catalogue.scenarios)
                pickles[scenario, tuple(step["text"] for step in pickle["steps"])] = pickle
            else:
                yield envelope
    rows = [row for row in report.rows if row.id in catalogue.rows]
    cases = [(row, _pickle(row, catalogue, pickles)) for row in rows]
    for _, pickle in cases:
        yield {"pickle": pickle}
    yield {"testRunStarted": {"timestamp": _ZERO, "id": "run"}}
    for row, pickle in cases:
        yield from _case(row, pickle)
    yield {"testRunFinished": {"success": report.exit_code() == 0, "timestamp": _ZERO, "testRunStartedId": "run"}}


def _parsed(file: str, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """Yield source, document and pickles of one file; ids begin with its name, as they have to differ."""
    text = (catalogue.root / "features" / file).read_text(encoding="utf-8")
    uri = f"features/{file}"
    events: Any = GherkinEvents(cast("Any", _Options()))
    numbers = count()
    events.id_generator.get_next_id = lambda: f"{file}#{next(numbers)}"
    source = {"uri": uri, "data": text, "mediaType": "text/x.cucumber.gherkin+plain"}
    yield from events.enum({"source": source})


def _pickle(
    row: RowRecord, catalogue: Catalogue, pickles: dict[tuple[str, tuple[str, ...]], dict[str, Any]]
) -> dict[str, Any]:
    found = catalogue.rows[row.id]
    values = dict(found.columns)
    steps = []
    for step in catalogue.scenarios[found.scenario].steps:
        text = step.text
        for name, value in values.items():
            text = text.replace(f"<{name}>", value)
        steps.append(text)
    pickle = pickles[found.scenario, tuple(steps)]
    own = [{**step, "id": f"{row.id}/{place}"} for place, step in enumerate(pickle["steps"], 1)]
    return {**pickle, "id": row.id, "name": f"{pickle['name']} {row.id}", "steps": own}


def _case(row: RowRecord, pickle: dict[str, Any]) -> Iterator[dict[str, Any]]:
    case, attempt = f"case {row.id}", f"attempt {row.id}"
    steps = [step["id"] for step in pickle["steps"]]
    yield {
        "testCase": {
            "id": case,
            "pickleId": row.id,
            "testRunStartedId": "run",
            "testSteps": [{"id": f"{step} run", "pickleStepId": step, "stepDefinitionIds": []} for step in steps],
        }
    }
    yield {"testCaseStarted": {"attempt": 0, "id": attempt, "testCaseId": case, "timestamp": _ZERO}}
    status = _STATUS.get(row.verdict, "SKIPPED")
    for place, step in enumerate(steps, 1):
        named = {"testCaseStartedId": attempt, "testStepId": f"{step} run", "timestamp": _ZERO}
        yield {"testStepStarted": named}
        yield {"testStepFinished": {**named, "testStepResult": _result(row, place, len(steps), status)}}
    yield {"testCaseFinished": {"testCaseStartedId": attempt, "timestamp": _ZERO, "willBeRetried": False}}


def _result(row: RowRecord, place: int, steps: int, status: str) -> dict[str, Any]:
    decided = row.step or steps
    if status in ("PASSED", "SKIPPED"):
        return {"status": status, "duration": _ZERO, **({"message": row.observed} if row.observed else {})}
    if place != decided:
        return {"status": "PASSED" if place < decided else "SKIPPED", "duration": _ZERO}
    lines = [f"{row.verdict}: {row.observed}"]
    lines += [f"expected: {row.expected}", f"culprit: {row.culprit}"] if row.expected else []
    lines += [f"deviation: {row.deviation}"] if row.deviation else []
    return {"status": status, "duration": _ZERO, "message": "\n".join((*lines, *row.trace))}
