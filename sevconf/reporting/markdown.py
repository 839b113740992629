"""A report for a repository: the same content as the terminal's, as Markdown."""

from collections.abc import Iterator

from sevconf.reporting.report import Report
from sevconf.reporting.sections import Finding, Section, findings, head, outcome, sections


def markdown(report: Report) -> str:
    """Return conformance.md."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# Conformance of {safe(report.target.name)}"
    yield ""
    yield f"{safe(outcome(report))}"
    yield ""
    for name, text in head(report):
        yield f"- {name}: {safe(text)}"
    for section in sections(report):
        yield ""
        yield from _section(section)
    found = list(findings(report))
    if found:
        yield ""
        yield "## Findings"
    for finding in found:
        yield ""
        yield from _finding(finding)


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    if not section.rows:
        yield "none"
        return
    yield row(section.headers)
    yield row(("---",) * len(section.headers))
    for cells in section.rows:
        yield row(cells)


def row(cells: tuple[str, ...]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(safe(cell) for cell in cells)} |"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"### {safe(finding.title)}"
    yield ""
    for name, text in finding.fields:
        yield f"- {name}: {safe(text)}"
    if finding.excerpt:
        yield ""
        yield "```text"
        yield from finding.excerpt
        yield "```"


def safe(text: str) -> str:
    """Return text on one line, with what Markdown would read as its own made harmless."""
    for character in "\\|<>*`[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
