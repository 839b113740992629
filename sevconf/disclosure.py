"""
A report on shipped software as it may be published: what is public is told, the rest is counted.

A file of declarations says what is expected and why. Each finding that is public stands there with its source. All
others are withheld: their number is declared, and a hash over them, so that a change shows without telling which.
Spec: SECURITY.md, "What stands in committed reports".
"""

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sevconf.errors import UsageError
from sevconf.reporting.report import Report, RuleReport
from sevconf.verdict import Verdict

#: Verdicts of a row that say something against the target.
_BAD = frozenset({Verdict.NONCONFORMING, Verdict.TARGET_FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR})


@dataclass(frozen=True, slots=True)
class Public:
    """A finding that is public: rule, how many of its rows are bad, why, and where one can read of it."""

    rule: str
    rows: int
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class Declared:
    """What is expected of a target: findings that are public, and of the others their number and hash."""

    target: str
    public: tuple[Public, ...]
    withheld: int
    withheld_sha256: str


def declared(path: Path) -> Declared:
    """
    Read a file of declarations.

    Raises:
        UsageError: it is none.

    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return Declared(**{**fields, "public": tuple(Public(**entry) for entry in fields.get("public", ()))})
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: expected declarations: {error}") from error


def bad_rows(rule: RuleReport) -> tuple[str, ...]:
    """Name the rows of a rule that say something against the target, breaches included."""
    rows = [row.id for row in rule.rows if row.verdict in _BAD]
    return (*rows, *(f"{breach.row} breach" for breach in rule.breaches))


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A report beside its declarations: what may be told, and what is not as declared."""

    report: Report
    declared: Declared

    @property
    def _public(self) -> dict[str, Public]:
        return {entry.rule: entry for entry in self.declared.public}

    def _withheld(self) -> tuple[str, ...]:
        public = self._public
        return tuple(row for rule in self.report.rules if rule.id not in public for row in bad_rows(rule))

    def differences(self) -> Iterator[str]:
        """Say what is not as declared; rows that are withheld are not named."""
        found = {rule.id: len(bad_rows(rule)) for rule in self.report.rules}
        for entry in self.declared.public:
            if found.get(entry.rule, 0) != entry.rows:
                yield f"{entry.rule}: expected {entry.rows} findings, not {found.get(entry.rule, 0)}"
        withheld = self._withheld()
        sha256 = hashlib.sha256("\n".join(sorted(withheld)).encode()).hexdigest()
        if (len(withheld), sha256) != (self.declared.withheld, self.declared.withheld_sha256):
            yield f"withheld: expected {self.declared.withheld} findings, not {len(withheld)} of sha256 {sha256}"

    def markdown(self) -> str:
        """Return what may be published."""
        target = self.report.target
        package = f", of Debian's package {target.package} {target.version}" if target.package else ""
        lines = [
            f"# {self.declared.target}",
            "",
            f"{target.name}{package}. SHA-256 of the image: {target.sha256}.",
            f"Rules {self.report.rule_set_version}, profile {self.report.profile}, seed {self.report.seed}.",
            "",
            *(f"Limit of the judgement: {limit}." for limit in target.limits),
            f"Withheld, as not public yet: {self.declared.withheld} findings. A run of your own shows them.",
            "",
            "| rule | sentence | verdict | passed |",
            "|---|---|---|---|",
        ]
        shown = [rule for rule in self.report.rules if any(row.verdict in _TOLD for row in rule.rows)]
        lines += [f"| {rule.id} | {rule.name} | {self._verdict(rule)} | {self._passed(rule)} |" for rule in shown]
        lines += ["", "## Findings that are public", "", "| rule | findings | why | source |", "|---|---|---|---|"]
        lines += [f"| {e.rule} | {e.rows} | {e.reason} | {e.source} |" for e in self.declared.public]
        return "\n".join(lines) + "\n"

    def _hidden(self, rule: RuleReport) -> bool:
        return rule.id not in self._public and bool(bad_rows(rule))

    def _verdict(self, rule: RuleReport) -> str:
        apart = f" ({rule.apart})" if rule.apart else ""
        return f"{'withheld' if self._hidden(rule) else rule.verdict.value}{apart}"

    def _passed(self, rule: RuleReport) -> str:
        judged = sum(row.verdict in _TOLD for row in rule.rows)
        return "" if self._hidden(rule) else f"{rule.passed}/{judged}"


#: Verdicts of rows that were judged at all.
_TOLD = _BAD | {Verdict.PASSED}
