"""
Feature files as they stand, read by gherkin-official.

Nothing is judged, dropped or merged here: what pytest-bdd would lose (the second of two scenarios of one title, an
empty table) is still there for `check` to refuse.

Spec: the Gherkin reference of Cucumber; keywords `Rule`, `Background`, `Scenario`, `Scenario Outline`, `Examples`.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gherkin.errors import ParserError
from gherkin.parser import Parser

from sevconf.errors import SuiteError
from sevconf.suite.locate import feature_files

_TYPES = {"Context": "given", "Action": "when", "Outcome": "then"}
#: Where a column stands in a sentence; pytest-bdd's own pattern.
PLACEHOLDER = re.compile(r"<(.+?)>")


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence; `type` is empty for an And that follows nothing, `texts` are doc string and cells beside it."""

    type: str
    text: str
    line: int
    texts: tuple[str, ...] = ()

    def rendered(self, columns: Mapping[str, str]) -> str:
        """Return the sentence with columns in place."""
        return PLACEHOLDER.sub(lambda found: columns.get(found[1], found[0]), self.text)

    @property
    def placeholders(self) -> set[str]:
        """The columns that it names."""
        return {name for text in (self.text, *self.texts) for name in PLACEHOLDER.findall(text)}


@dataclass(frozen=True, slots=True)
class Table:
    """One Examples block."""

    line: int
    tags: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ScenarioText:
    """One Scenario or Scenario Outline; without the Background's steps."""

    title: str
    line: int
    outline: bool
    tags: tuple[str, ...]
    steps: tuple[Step, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class RuleText:
    """One Rule."""

    name: str
    line: int
    description: str
    tags: tuple[str, ...]
    background: tuple[Step, ...]
    scenarios: tuple[ScenarioText, ...]


@dataclass(frozen=True, slots=True)
class FeatureText:
    """One file; `path` is relative to `features/`; `background` is the file's own, `stray` stand outside any Rule."""

    path: str
    name: str
    line: int
    description: str
    tags: tuple[str, ...]
    background: tuple[Step, ...]
    rules: tuple[RuleText, ...]
    stray: tuple[ScenarioText, ...]

    @property
    def folder(self) -> str:
        """The folder below `features/`, or nothing."""
        return self.path.rpartition("/")[0]


def read(root: Path) -> tuple[FeatureText, ...]:
    """
    Read every feature file of the suite in `root`, in the order of their paths.

    Raises:
        SuiteError: a file is no Gherkin or no UTF-8.

    """
    return tuple(parse(path.relative_to(root / "features").as_posix(), _text(path)) for path in feature_files(root))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path.name}: not UTF-8 text: {error}") from error


def parse(path: str, text: str) -> FeatureText:
    """
    Read one feature file's text.

    Raises:
        SuiteError: it is no Gherkin, or holds no Feature.

    """
    try:
        document = cast("dict[str, Any]", Parser().parse(text))
    except ParserError as error:
        raise SuiteError(f"{path}: {str(error).splitlines()[-1].strip()}", hint="this is no valid Gherkin") from error
    feature = document.get("feature")
    if feature is None:
        raise SuiteError(f"{path}: expected a Feature, found none")
    children = feature["children"]
    return FeatureText(
        path=path,
        name=feature["name"],
        line=feature["location"]["line"],
        description=_prose(feature),
        tags=_tags(feature),
        background=_background(children),
        rules=tuple(_rule(child["rule"]) for child in children if "rule" in child),
        stray=tuple(_scenario(child["scenario"]) for child in children if "scenario" in child),
    )


def _prose(node: dict[str, Any]) -> str:
    return textwrap.dedent(node["description"]).strip()


def _tags(node: dict[str, Any]) -> tuple[str, ...]:
    return tuple(tag["name"].removeprefix("@") for tag in node["tags"])


def _rule(node: dict[str, Any]) -> RuleText:
    return RuleText(
        name=node["name"],
        line=node["location"]["line"],
        description=_prose(node),
        tags=_tags(node),
        background=_background(node["children"]),
        scenarios=tuple(_scenario(child["scenario"]) for child in node["children"] if "scenario" in child),
    )


def _background(children: list[dict[str, Any]]) -> tuple[Step, ...]:
    return next((_steps(child["background"]["steps"]) for child in children if "background" in child), ())


def _scenario(node: dict[str, Any]) -> ScenarioText:
    return ScenarioText(
        title=node["name"],
        line=node["location"]["line"],
        outline="Outline" in node["keyword"] or "Template" in node["keyword"] or bool(node["examples"]),
        tags=_tags(node),
        steps=_steps(node["steps"]),
        tables=tuple(_table(table) for table in node["examples"]),
    )


def _table(node: dict[str, Any]) -> Table:
    header = node.get("tableHeader")
    return Table(
        line=node["location"]["line"],
        tags=_tags(node),
        columns=_cells(header) if header else (),
        rows=tuple(_cells(row) for row in node.get("tableBody", ())),
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(cell["value"] for cell in row["cells"])


def _steps(nodes: list[dict[str, Any]]) -> tuple[Step, ...]:
    steps = []
    current = ""
    for node in nodes:
        current = _TYPES.get(node["keywordType"], current)
        texts = [node["docString"]["content"]] if node.get("docString") else []
        texts += [cell for row in (node.get("dataTable") or {"rows": ()})["rows"] for cell in _cells(row)]
        steps.append(Step(current, node["text"], node["location"]["line"], tuple(texts)))
    return tuple(steps)
