"""A report for a repository: the same content as the terminal's, as Markdown."""

from collections.abc import Iterator

from sevconf.reporting.report import Report
from sevconf.reporting.sections import Finding, Section, findings, head, outcome, sections


def markdown(report: Report) -> str:
    """Return conformance.md."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# Conformance of {_safe(report.target.name)}"
    yield ""
    yield f"{_safe(outcome(report))}"
    yield ""
    for name, text in head(report):
        yield f"- {name}: {_safe(text)}"
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
    return f"| {' | '.join(_safe(cell) for cell in cells)} |"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"### {_safe(finding.title)}"
    yield ""
    for name, text in finding.fields:
        yield f"- {name}: {_safe(text)}"
    if finding.excerpt:
        yield ""
        yield "```text"
        yield from finding.excerpt
        yield "```"


def _safe(text: str) -> str:
    for character in "\\|<>*`[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
