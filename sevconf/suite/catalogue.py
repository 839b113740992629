"""
The catalogue: every rule, scenario and row of the suite as frozen values.

It comes from `source`, never from what a runner collected, so that what ran can be held against it. A row is one
scenario with one line of its Examples on one machine kind; its id is for ever.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sevconf.claims import CLAIMS
from sevconf.contract import Capability
from sevconf.errors import SuiteError
from sevconf.suite import tags as known
from sevconf.suite.check import Problem, problems
from sevconf.suite.locate import suite_hash
from sevconf.suite.source import FeatureText, RuleText, ScenarioText, Step, read
from sevconf.vocabulary import Basis, MachineKind, Party, Profile, Revision

#: The column that every row id has: the machine kind.
ON = "on"
#: What begins the part of a rule's description that says how to mend what breaks it.
MEND = "Mend:"


def row_id(scenario: str, columns: Mapping[str, str], kind: MachineKind) -> str:
    """Return the id of a row: `EBS-04.1{disk=TPL_NOTIFY,iommu=TPL_CALLBACK,on=sev}`."""
    pairs = sorted({**columns, ON: kind.value}.items())
    return f"{scenario}{{{','.join(f'{name}={value}' for name, value in pairs)}}}"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario, with one line of its Examples, on one machine kind."""

    id: str
    rule: str
    scenario: str
    columns: tuple[tuple[str, str], ...]
    kind: MachineKind


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario of a rule; `steps` begin with the Background's, `needs` include the rule's."""

    id: str
    rule: str
    title: str
    outline: bool
    needs: frozenset[Capability]
    kinds: tuple[MachineKind, ...]
    steps: tuple[Step, ...]
    examples: tuple[tuple[tuple[str, str], ...], ...]
    line: int

    @property
    def rows(self) -> tuple[Row, ...]:
        """Examples by machine kinds."""
        return tuple(
            Row(row_id(self.id, dict(columns), kind), self.rule, self.id, columns, kind)
            for columns in self.examples
            for kind in self.kinds
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One sentence that can be false; `file` is where it stands.

    `source` says where it is taken from, `mend` what whoever breaks it should do.
    """

    id: str
    name: str
    source: str
    party: Party
    basis: Basis
    claims: tuple[str, ...]
    kinds: tuple[MachineKind, ...]
    since: Revision | None
    needs: frozenset[Capability]
    limit: bool
    file: str
    line: int
    scenarios: tuple[Scenario, ...]
    mend: str = ""

    @property
    def folder(self) -> str:
        """The folder of features that it stands in."""
        return self.file.partition("/")[0]

    def apart(self, profile: Profile, revision: Revision) -> str:
        """Say why it does not count for a target of that revision under that profile; empty if it counts."""
        if self.basis in (Basis.ADVISORY, Basis.UNSPECIFIED):
            return str(self.basis.value)
        if not profile.counts(self.basis):
            return f"not in profile {profile.value}"
        if self.since is not None and self.since.order > revision.order:
            return f"not required by revision {revision.value}"
        return ""


@dataclass(frozen=True, slots=True)
class Feature:
    """One file of rules; `path` is relative to `features/`."""

    path: str
    name: str
    description: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Catalogue:
    """The whole suite; `root` is where it was read, `hash` which text it was."""

    features: tuple[Feature, ...]
    root: Path = field(default=Path(), compare=False)
    hash: str = ""

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """Rules by id, sorted."""
        found = {rule.id: rule for feature in self.features for rule in feature.rules}
        return dict(sorted(found.items()))

    @cached_property
    def scenarios(self) -> dict[str, Scenario]:
        """Scenarios by id, in the order of their rules."""
        return {scenario.id: scenario for rule in self.rules.values() for scenario in rule.scenarios}

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Rows by id, in the order of their scenarios."""
        return {row.id: row for scenario in self.scenarios.values() for row in scenario.rows}

    def rows_of(self, rules: Iterable[str]) -> dict[str, Row]:
        """Return the rows of some rules."""
        chosen = set(rules)
        return {row.id: row for row in self.rows.values() if row.rule in chosen}


def load(root: Path) -> Catalogue:
    """
    Read, check and return the suite that lies in `root`.

    Raises:
        SuiteError: something in it would be lost, doubled or misread by a runner.

    """
    texts = read(root)
    if not texts:
        raise SuiteError("features/: holds no feature file, so there is nothing to judge")
    refuse(problems(texts))
    return Catalogue(tuple(_feature(text) for text in texts), root, suite_hash(root))


def refuse(found: Iterable[Problem]) -> None:
    """
    Raise if there are problems, naming all of them.

    Raises:
        SuiteError: there are some.

    """
    lines = [str(problem) for problem in found]
    if lines:
        raise SuiteError("\n".join(lines), hint="features/README.md tells how rules, scenarios and tags are written")


def _feature(text: FeatureText) -> Feature:
    rules = tuple(_rule(text.path, rule) for rule in text.rules)
    return Feature(text.path, text.name, text.description, rules)


def _rule(path: str, text: RuleText) -> Rule:
    identity = _only(text.tags, known.RULE_ID.fullmatch)
    needs = frozenset(known.NEEDS[tag] for tag in text.tags if tag in known.NEEDS)
    kinds = _kinds(text.tags)
    source, _, mend = text.description.partition(MEND)
    return Rule(
        id=identity,
        name=text.name,
        source=source.strip(),
        mend=" ".join(mend.split()),
        party=known.PARTIES[_only(text.tags, known.PARTIES.get)],
        basis=known.BASES[_only(text.tags, known.BASES.get)],
        claims=tuple(claim for claim in CLAIMS if claim in text.tags),
        kinds=kinds,
        since=next((known.REVISIONS[tag] for tag in text.tags if tag in known.REVISIONS), None),
        needs=needs,
        limit=known.LIMIT in text.tags,
        file=path,
        line=text.line,
        scenarios=tuple(
            sorted((_scenario(identity, text, part, needs, kinds) for part in text.scenarios), key=_number)
        ),
    )


def _scenario(
    rule: str,
    text: RuleText,
    part: ScenarioText,
    needs: frozenset[Capability],
    kinds: tuple[MachineKind, ...],
) -> Scenario:
    lines = tuple(tuple(zip(table.columns, row, strict=True)) for table in part.tables for row in table.rows)
    return Scenario(
        id=_only(part.tags, known.SCENARIO_ID.fullmatch),
        rule=rule,
        title=part.title,
        outline=part.outline,
        needs=needs | {known.NEEDS[tag] for tag in part.tags if tag in known.NEEDS},
        kinds=_kinds(part.tags) or kinds,
        steps=text.background + part.steps,
        examples=lines if part.outline else ((),),
        line=part.line,
    )


def _only(tags: tuple[str, ...], wanted: Callable[[str], object]) -> str:
    return next(tag for tag in tags if wanted(tag))


def _kinds(tags: tuple[str, ...]) -> tuple[MachineKind, ...]:
    named = {known.KINDS[tag] for tag in tags if tag in known.KINDS}
    return tuple(kind for kind in MachineKind if kind in named)


def _number(scenario: Scenario) -> int:
    return int(scenario.id.rpartition(".")[2])
