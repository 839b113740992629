"""What is made of a report with the text of its rules at hand: pages for people, and forms that other tools read."""

from pathlib import Path

from sevconf.reporting.files import TRACES, write
from sevconf.reporting.html import report_page
from sevconf.reporting.report import Report
from sevconf.suite import Catalogue

HTML = "report.html"


def write_forms(report: Report, catalogue: Catalogue, folder: Path) -> None:
    """Write them beside the report."""
    write(folder / HTML, report_page(report, catalogue, folder / TRACES))
