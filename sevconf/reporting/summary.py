"""
A report for the summary page of a CI step: outcome, totals and failures as short Markdown.

GitHub shows what a step writes to the file that `GITHUB_STEP_SUMMARY` names, at most 1 MiB of it, so this holds no more
than `MOST` failures, and says how many it leaves out.

Spec: GitHub Docs, "Workflow commands for GitHub Actions", "Adding a job summary".
"""

from collections.abc import Iterator

from sevconf.reporting.baseline import failures
from sevconf.reporting.markdown import row, safe
from sevconf.reporting.report import Report
from sevconf.reporting.sections import outcome
from sevconf.verdict import Verdict

#: The most failures that a summary lists.
MOST = 50
_SIGNS = {0: "✅", 1: "❌", 3: "💥", 4: "❔"}


def summary(report: Report) -> str:
    """Return the text of summary.md."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"### {_SIGNS[report.exit_code()]} {safe(outcome(report))}"
    totals = report.totals()
    yield ""
    yield row(("verdict", *totals))
    yield row(("---", *("--:" for _ in totals)))
    for kind in Verdict:
        yield row((kind.value, *(str(table[kind]) for table in totals.values())))
    names = {rule.id: rule.name for rule in report.rules}
    found = tuple(failures(report).values())
    if found:
        yield ""
        yield f"<details{' open' if len(found) <= 10 else ''}><summary>{len(found)} failures that count</summary>"
        yield ""
        yield row(("rule", "asks that", "row", "is", "observed"))
        yield row(("---",) * 5)
        for failure in found[:MOST]:
            yield row((failure.rule, names[failure.rule], failure.row, failure.kind, failure.observed[:500]))
        yield ""
        if len(found) > MOST:
            yield f"{len(found) - MOST} more are in report.json."
            yield ""
        yield "</details>"
    for deviation in report.refused:
        yield ""
        yield f"- deviation for {safe(deviation.rule)}: {safe(deviation.refused)}"
