"""
What the suite refuses in its own features, before anything runs.

pytest-bdd drops the second of two scenarios of one title in a file, passes a scenario without steps or without Then,
and runs an empty Examples table as it stands. Each of these, and each doubt about ids and tags, is a problem here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sevconf.claims import CLAIMS
from sevconf.suite import tags as known
from sevconf.suite.source import FeatureText, RuleText, ScenarioText

#: The most lines that a Background may have: more hides the cause of every scenario.
BACKGROUND_LINES = 2

#: How many tags of each closed list a Rule has, at least and at most.
_TAG_COUNTS: tuple[tuple[str, Mapping[str, object], int, int], ...] = (
    ("party", known.PARTIES, 1, 1),
    ("basis", known.BASES, 1, 1),
    ("revision", known.REVISIONS, 0, 1),
    ("claim", CLAIMS, 1, len(CLAIMS)),
    ("machine kind", known.KINDS, 1, len(known.KINDS)),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a feature file; `what` names the rule or scenario that it is wrong in."""

    file: str
    line: int
    what: str
    message: str

    def __str__(self) -> str:
        return f"features/{self.file}:{self.line}: {self.what}: {self.message}"


def problems(features: Iterable[FeatureText]) -> list[Problem]:
    """Return everything that is wrong in these files, in the order of the files."""
    texts = list(features)
    return [problem for text in texts for problem in _feature(text)] + list(_doubled_ids(texts))


def _feature(text: FeatureText) -> Iterator[Problem]:
    what = f"feature '{text.name}'"
    if text.folder not in known.PREFIXES:
        folders = ", ".join(known.PREFIXES)
        yield Problem(text.path, text.line, what, f"expected in one of the folders {folders}, not in '{text.folder}'")
    prefix = known.PREFIXES.get(text.folder, "")
    for tag in text.tags:
        if tag != prefix:
            yield Problem(text.path, text.line, what, f"expected no tag but @{prefix} on a Feature, not @{tag}")
    if text.background:
        yield Problem(text.path, text.line, what, "a Background belongs inside a Rule")
    for scenario in text.stray:
        yield Problem(text.path, scenario.line, _name(scenario), "stands outside of any Rule")
    if not text.rules:
        yield Problem(text.path, text.line, what, "has no Rule")
    yield from _doubled_titles(text)
    for rule in text.rules:
        yield from _rule(text.path, prefix, rule)


def _name(scenario: ScenarioText) -> str:
    return f"scenario '{scenario.title}'"


def _doubled_titles(text: FeatureText) -> Iterator[Problem]:
    scenarios = [*text.stray, *(scenario for rule in text.rules for scenario in rule.scenarios)]
    first: dict[str, int] = {}
    for scenario in scenarios:
        line = first.setdefault(scenario.title, scenario.line)
        if line != scenario.line:
            message = f"has the title of the scenario in line {line}, and would replace it"
            yield Problem(text.path, scenario.line, _name(scenario), message)


def _doubled_ids(texts: Iterable[FeatureText]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for text in texts:
        places = [(rule.line, rule.tags) for rule in text.rules]
        places += [(scenario.line, scenario.tags) for rule in text.rules for scenario in rule.scenarios]
        for line, tags in sorted(places):
            for tag in dict.fromkeys(tags):
                if known.RULE_ID.fullmatch(tag) or known.SCENARIO_ID.fullmatch(tag):
                    here = f"features/{text.path}:{line}"
                    there = first.setdefault(tag, here)
                    if there != here:
                        yield Problem(text.path, line, f"id @{tag}", f"is taken already by {there}")


def _rule(path: str, prefix: str, rule: RuleText) -> Iterator[Problem]:
    what = f"rule '{rule.name}'"

    def problem(message: str) -> Problem:
        return Problem(path, rule.line, what, message)

    ids = [tag for tag in rule.tags if known.RULE_ID.fullmatch(tag)]
    if len(ids) != 1:
        yield problem(f"expected one id tag like @{prefix or 'EBS'}-04, {_got(ids)}")
    for tag in ids:
        if not tag.startswith(f"{prefix}-"):
            yield problem(f"expected an id that begins with {prefix}-, as all in this folder do, not @{tag}")
    for word, closed, least, most in _TAG_COUNTS:
        found = [tag for tag in rule.tags if tag in closed]
        if not least <= len(found) <= most:
            number = "one" if least == most else "at most one" if most == 1 else "at least one"
            yield problem(f"expected {number} {word} tag, {_got(found)}")
    allowed = (*(closed for _, closed, _, _ in _TAG_COUNTS), known.NEEDS, {known.LIMIT: known.LIMIT})
    yield from map(problem, _odd_tags(rule.tags, ids, allowed))
    if not rule.name:
        yield problem("expected a sentence as its name, found none")
    if not rule.description:
        yield problem("expected a description that cites its source, found none")
    if len(rule.background) > BACKGROUND_LINES:
        yield problem(f"expected a Background of at most {BACKGROUND_LINES} lines, not {len(rule.background)}")
    for scenario in rule.scenarios:
        yield from _scenario(path, ids[0] if len(ids) == 1 else "", rule, scenario)


def _got(found: list[str]) -> str:
    return "not " + " and ".join(f"@{tag}" for tag in found) if found else "found none"


def _odd_tags(tags: tuple[str, ...], ids: list[str], allowed: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for tag, count in Counter(tags).items():
        if count > 1:
            yield f"has the tag @{tag} {count} times"
        if tag not in ids and not any(tag in closed for closed in allowed):
            yield f"has the unknown tag @{tag}" if tag not in known.MEANINGS else f"may not have the tag @{tag}"


def _scenario(path: str, rule_id: str, rule: RuleText, scenario: ScenarioText) -> Iterator[Problem]:
    def problem(message: str, line: int = scenario.line) -> Problem:
        return Problem(path, line, _name(scenario), message)

    ids = [tag for tag in scenario.tags if known.SCENARIO_ID.fullmatch(tag)]
    if len(ids) != 1:
        yield problem(f"expected one id tag like @{rule_id or 'EBS-04'}.1, {_got(ids)}")
    elif rule_id and not ids[0].startswith(f"{rule_id}."):
        yield problem(f"expected an id that begins with @{rule_id}., as its rule's does, not @{ids[0]}")
    yield from map(problem, _odd_tags(scenario.tags, ids, (known.NEEDS, known.KINDS)))
    if not scenario.title:
        yield problem("expected a title, found none")
    if not scenario.steps:
        yield problem("has no steps")
    elif not any(step.type == "then" for step in scenario.steps):
        yield problem("has no Then, and so asserts nothing")
    if scenario.steps and not scenario.steps[0].type:
        yield problem("begins with And or But, which follow nothing", scenario.steps[0].line)
    yield from map(problem, _examples(rule, scenario))


def _examples(rule: RuleText, scenario: ScenarioText) -> Iterator[str]:
    steps = (*rule.background, *scenario.steps)
    used = {name for step in steps for name in step.placeholders}
    if scenario.outline and not scenario.tables:
        yield "is an outline without Examples"
    rows: Counter[tuple[tuple[str, str], ...]] = Counter()
    for table in scenario.tables:
        if not table.rows:
            yield f"has Examples without rows in line {table.line}"
        if table.tags:
            yield f"has tags on its Examples in line {table.line}; only rules and scenarios have tags"
        for name, count in Counter(table.columns).items():
            if count > 1:
                yield f"has the column '{name}' {count} times"
        for name in sorted(set(table.columns) - used):
            yield f"never uses its column '{name}'"
        for name in sorted(used - set(table.columns)):
            yield f"uses <{name}>, which is no column of its Examples in line {table.line}"
        if "on" in table.columns:
            yield "has a column 'on', which is the name of the machine kind in ids"
        rows.update(tuple(sorted(zip(table.columns, row, strict=True))) for row in table.rows)
    if not scenario.outline:
        for name in sorted(used):
            yield f"uses <{name}>, but has no Examples"
    for row, count in rows.items():
        if count > 1:
            yield f"has the row {', '.join(f'{name}={value}' for name, value in row)} {count} times"
