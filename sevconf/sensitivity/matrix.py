"""
The matrix of rules and faults, put together from what each machine was found to do.

A rule that can break must be caught by a machine of its own. Three kinds cannot: what the specification leaves open has
no wrong answer, and is shown alive by a machine that answers otherwise; a limit of the design shows on machines that
its own scenarios set up; a rule on the suite itself is broken by a suite, not by a machine.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from sevconf.faults import CATALOGUE
from sevconf.sensitivity.threats import Threat, threat_of
from sevconf.sensitivity.trial import Finding
from sevconf.suite import Catalogue, Rule
from sevconf.vocabulary import Basis

#: Rules on the suite itself: tests/test_profiles.py refuses a suite that breaks them.
ON_THE_SUITE = frozenset({"TM-05"})


def excuse(rule: Rule) -> str:
    """Say why no machine has to break a rule; empty if one has to."""
    if rule.basis is Basis.UNSPECIFIED:
        return "left open: any answer conforms"
    if rule.limit:
        return "a limit: its own scenarios set the machine up on which it shows"
    if rule.id in ON_THE_SUITE:
        return "on the suite itself: a test refuses a suite that breaks it"
    return ""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One machine with a bug; `collateral` and `silent` are rules with the clause that the machine breaks too."""

    fault: str
    bug: str
    party: str
    upstream: str
    threat: Threat
    judged: int
    caught: tuple[str, ...]
    missed: tuple[str, ...]
    collateral: tuple[tuple[str, str], ...]
    silent: tuple[tuple[str, str], ...]
    unexplained: tuple[str, ...]

    @property
    def broken(self) -> int:
        """How many rules fail it."""
        return len(self.caught) + len(self.collateral) + len(self.unexplained)


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule, the machines that it catches, and the targets that answer it otherwise than the reference."""

    rule: str
    sentence: str
    party: str
    basis: str
    threat: Threat
    excuse: str
    caught: tuple[str, ...]
    collateral: tuple[str, ...]
    otherwise: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All rules that were judged, and all machines that were tried; `scope` says by which rules each was judged."""

    scope: str
    rules: tuple[RuleRow, ...]
    faults: tuple[FaultRow, ...]

    @property
    def caught(self) -> tuple[str, ...]:
        """Rules that a machine of their own was caught by."""
        return tuple(row.rule for row in self.rules if row.caught)

    @property
    def uncaught(self) -> tuple[str, ...]:
        """Rules that catch nothing, and have no excuse."""
        return tuple(row.rule for row in self.rules if not row.caught and not row.excuse)

    @property
    def unmoved(self) -> tuple[str, ...]:
        """Unspecified rules to which every target gives the same answer."""
        open_ = Basis.UNSPECIFIED.value
        return tuple(row.rule for row in self.rules if row.basis == open_ and not row.otherwise)

    @property
    def missed(self) -> tuple[tuple[str, str], ...]:
        """Machines with a rule that had to catch them, and did not."""
        return tuple((row.fault, rule) for row in self.faults for rule in row.missed)

    @property
    def silent(self) -> tuple[tuple[str, str], ...]:
        """Machines with a rule that was said to fail them too, and does not."""
        return tuple((row.fault, rule) for row in self.faults for rule, _ in row.silent)

    @property
    def unexplained(self) -> tuple[tuple[str, str], ...]:
        """Machines with a rule that fails them, and nobody said so."""
        return tuple((row.fault, rule) for row in self.faults for rule in row.unexplained)

    @property
    def collateral(self) -> int:
        """Pairs of a machine and a rule that fails it with its own."""
        return sum(len(row.collateral) for row in self.faults)

    @property
    def pairs(self) -> int:
        """Pairs of a machine and a rule that were judged."""
        return sum(row.judged for row in self.faults)

    @property
    def median(self) -> float:
        """Rules that fail a machine: the median."""
        return median(row.broken for row in self.faults) if self.faults else 0

    @property
    def most(self) -> int:
        """Rules that fail a machine with a made-up bug: the most."""
        return max((row.broken for row in self.faults if not row.upstream), default=0)

    @property
    def holds(self) -> bool:
        """Whether every machine is caught by its rules, and blamed by no others."""
        return not (self.uncaught or self.missed or self.silent or self.unexplained)


def matrix(suite: Catalogue, chosen: Iterable[str], findings: Iterable[Finding], scope: str) -> Matrix:
    """Put findings together, for the rules chosen."""
    caught, collateral = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    otherwise: dict[str, dict[str, None]] = {}
    faults = []
    for finding in findings:
        for rule in finding.caught:
            caught[rule].append(finding.target)
        for rule in finding.collateral:
            collateral[rule].append(finding.target)
        for row in finding.otherwise:
            rule = row.partition(".")[0]
            otherwise.setdefault(rule, {})[finding.target] = None
        if finding.target in CATALOGUE:
            faults.append(_fault(finding))
    rules = (suite.rules[rule] for rule in sorted(chosen))
    return Matrix(scope, tuple(_rule(rule, caught, collateral, otherwise) for rule in rules), tuple(faults))


def _fault(finding: Finding) -> FaultRow:
    fault = CATALOGUE[finding.target]
    clauses = dict(fault.collateral)
    return FaultRow(
        fault=fault.name,
        bug=fault.bug,
        party=fault.party.value,
        upstream=fault.upstream,
        threat=threat_of(fault.catches[0]),
        judged=len(finding.judged),
        caught=finding.caught,
        missed=finding.missed,
        collateral=tuple((rule, clauses[rule]) for rule in finding.collateral),
        silent=tuple((rule, clauses[rule]) for rule in finding.silent),
        unexplained=finding.unexplained,
    )


def _rule(
    rule: Rule,
    caught: Mapping[str, list[str]],
    collateral: Mapping[str, list[str]],
    otherwise: Mapping[str, Iterable[str]],
) -> RuleRow:
    return RuleRow(
        rule=rule.id,
        sentence=rule.name,
        party=rule.party.value,
        basis=rule.basis.value,
        threat=threat_of(rule.id),
        excuse=excuse(rule),
        caught=tuple(caught.get(rule.id, ())),
        collateral=tuple(collateral.get(rule.id, ())),
        otherwise=tuple(otherwise.get(rule.id, ())),
    )
