"""
A report for CI: junit.xml, one suite a folder, one case a row.

Nonconforming and failed rows are failures, errors and inconclusive ones are errors, the rest that did not pass is
skipped. Rules that stand apart never fail. No times and no host, so that the file is the same from run to run.
"""

import io
import re

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from sevconf.reporting.record import BreachRecord, RowRecord
from sevconf.reporting.report import Report, RuleReport
from sevconf.verdict import Verdict

_FAILURES = (Verdict.NONCONFORMING, Verdict.TARGET_FAILED)
_ERRORS = (Verdict.ERROR, Verdict.INCONCLUSIVE)
#: Characters that XML cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]")


def junit(report: Report) -> str:
    """Return the text of junit.xml."""
    xml = JUnitXml("sevconf")
    for folder in sorted({rule.folder for rule in report.rules}):
        suite = TestSuite(folder)
        for rule in report.rules:
            if rule.folder == folder:
                for row in rule.rows:
                    suite.add_testcase(_row(rule, row))
                for breach in rule.breaches:
                    suite.add_testcase(_breach(rule, breach))
        xml.add_testsuite(suite)
    buffer = io.BytesIO()
    xml.write(buffer, pretty=True)
    return buffer.getvalue().decode()


def _row(rule: RuleReport, row: RowRecord) -> TestCase:
    case = TestCase(row.id, rule.id)
    if row.verdict is not Verdict.PASSED:
        kind = Failure if row.verdict in _FAILURES else Error if row.verdict in _ERRORS else Skipped
        case.result = [_result(kind, rule, row, str(row.verdict))]
    return case


def _breach(rule: RuleReport, breach: BreachRecord) -> TestCase:
    case = TestCase(f"breach in {breach.row}", rule.id)
    case.result = [_result(Failure, rule, breach, "breach")]
    return case


def _result(
    kind: type[Failure | Error | Skipped], rule: RuleReport, found: RowRecord | BreachRecord, word: str
) -> Failure | Error | Skipped:
    if rule.apart:
        kind, word = Skipped, f"{rule.apart}: {word}"
    result = kind(_clean(f"{word}: {found.observed}"), word)
    lines = (f"expected: {found.expected}", f"observed: {found.observed}", f"culprit: {found.culprit}", *found.trace)
    if found.expected:
        result.text = _clean("\n".join(lines))
    return result


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
