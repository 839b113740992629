"""The jury's table as files: jury.json, which is the record, and jury.md for readers."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sevconf.jury.table import Finding, Jury, Ruling
from sevconf.reporting.files import write
from sevconf.reporting.markdown import row, safe

#: Name and version of the format of jury.json.
SCHEMA = "sevconf-jury/1"
JSON, MARKDOWN = "jury.json", "jury.md"


def write_jury(jury: Jury, folder: Path) -> None:
    """Write both files into a folder."""
    write(folder / JSON, json.dumps(_fields(jury), indent=1, ensure_ascii=False) + "\n")
    write(folder / MARKDOWN, "\n".join(_lines(jury)) + "\n")


def _fields(jury: Jury) -> dict[str, Any]:
    fields = asdict(jury)
    fields["targets"] = {
        name: {**asdict(identity), "tools": dict(identity.tools), "revision": revision}
        for name, (identity, revision) in jury.targets.items()
    }
    return {"schema": SCHEMA, **fields}


def cell(ruling: Ruling) -> str:
    """Return what a table says of a ruling."""
    counted = f" {ruling.passed}/{ruling.rows}" if ruling.passed else ""
    if ruling.withheld:
        return f"withheld: {ruling.withheld}"
    if ruling.answers:
        return "; ".join(ruling.answers)
    apart = f" ({ruling.apart})" if ruling.apart.startswith("not required") else ""
    return f"{ruling.verdict}{counted}{apart}"


def _lines(jury: Jury) -> Iterator[str]:
    names = tuple(jury.targets)
    yield from ("# Real cores, side by side", "")
    for name, (identity, revision) in jury.targets.items():
        package = f"{identity.package} {identity.version}, " if identity.package else ""
        tools = "".join(f", {tool} {version}" for tool, version in identity.tools)
        digest = f", sha256 {identity.sha256}" if identity.sha256 else ""
        yield f"- {name}: {package}UEFI {revision}{digest}{tools}"
    yield from ("", "## What the mail of 2017 stands on", "")
    yield from _grid(("question", *names), [(q, *(told[n] for n in names)) for q, told in jury.questions.items()])
    yield from ("", "## Rules", "")
    rows = [(rule.id, safe(rule.name), *(cell(rule.rulings[name]) for name in names)) for rule in jury.rules]
    yield from _grid(("rule", "says", *names), rows)
    yield from ("", "## Differences", "")
    if jury.unexplained:
        yield from (f"- unexplained: {safe(line)}" for line in jury.unexplained)
    else:
        yield "No difference is left unexplained."
    yield f"Withheld, as not public yet: {', '.join(f'{name} {count}' for name, count in jury.withheld.items())}."
    for finding in jury.findings:
        yield ""
        yield from _finding(finding)


def _grid(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield row(headers)
    yield row(("---",) * len(headers))
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"### {finding.target}: {safe(finding.row)}"
    yield ""
    fields = (
        ("clause", finding.source),
        ("expected", finding.expected),
        ("observed", finding.observed),
        ("why", finding.reason),
        ("public", finding.link),
        ("seen", f"in {finding.seen} of {finding.runs} runs of `{finding.command}` on sha256 {finding.sha256}"),
    )
    for name, text in fields:
        if text:
            yield f"- {name}: {' '.join(text.split()).replace('|', '/')}"
    if finding.log:
        yield from ("", "```text", *finding.log, "```")
