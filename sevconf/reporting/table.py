"""A report for a terminal: tables first, then every finding as a proof, then one line that says what it comes to."""

import textwrap
from collections.abc import Iterator

from tabulate import tabulate

from sevconf.reporting.report import Report
from sevconf.reporting.sections import Finding, Section, findings, head, outcome, sections

#: The widest that a sentence gets in a table.
SENTENCE = 64
WIDTH = 118


def table(report: Report) -> str:
    """Return the whole report as text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from aligned(head(report))
    for section in sections(report):
        yield ""
        yield section.title
        yield grid(section)
    for finding in findings(report):
        yield ""
        yield from block(finding)
    yield ""
    yield outcome(report)


def grid(section: Section) -> str:
    """Return one section as a table."""
    if not section.rows:
        return "  none"
    rows = [[_wrapped(cell) for cell in row] for row in section.rows]
    return tabulate(rows, section.headers, tablefmt="simple", disable_numparse=True)


def _wrapped(cell: str) -> str:
    return cell if len(cell) <= SENTENCE else "\n".join(textwrap.wrap(cell, SENTENCE, break_long_words=False))


def aligned(fields: tuple[tuple[str, str], ...], indent: str = "") -> Iterator[str]:
    """Yield named fields as lines, wrapped beside their names."""
    width = max((len(name) for name, _ in fields), default=0) + 2
    for name, text in fields:
        lines = [part for line in text.splitlines() for part in textwrap.wrap(line, WIDTH - width) or [""]]
        for place, line in enumerate(lines):
            yield f"{indent}{'' if place else name:<{width}}{line}"


def block(finding: Finding) -> Iterator[str]:
    """Yield one finding as a proof to read."""
    yield finding.title
    yield from aligned(finding.fields, "  ")
    for line in finding.excerpt:
        yield f"    {line}".rstrip()
