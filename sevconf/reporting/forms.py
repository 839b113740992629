"""What is made of a report with the text of its rules at hand: pages for people, and forms that other tools read."""

from pathlib import Path

from sevconf.reporting.cucumber import cucumber
from sevconf.reporting.files import TRACES, write
from sevconf.reporting.html import report_page
from sevconf.reporting.report import Report
from sevconf.reporting.sarif import sarif
from sevconf.reporting.summary import summary
from sevconf.suite import Catalogue

HTML, SARIF, CUCUMBER, SUMMARY = "report.html", "report.sarif", "cucumber.ndjson", "summary.md"


def write_forms(report: Report, catalogue: Catalogue, folder: Path) -> None:
    """Write them beside the report."""
    write(folder / SARIF, sarif(report, catalogue))
    write(folder / CUCUMBER, cucumber(report, catalogue))
    write(folder / SUMMARY, summary(report))
    write(folder / HTML, report_page(report, catalogue, folder / TRACES))
