"""
Verdicts, and how they roll up: values and pure functions only.

A row is judged once. A rule rolls up from its rows, a claim from its rules, totals count, and the exit code says what
counted. Nothing here knows where the verdicts came from.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum


class Verdict(Enum):
    """What was found out about a row, a rule or a claim."""

    #: Its Then held, and its positive control held.
    PASSED = "passed"
    #: The judged party broke the clause.
    NONCONFORMING = "nonconforming"
    #: Foreign code raised, hung, exited or died where no rule names that act.
    TARGET_FAILED = "target-failed"
    #: The target could not show what the rule needs.
    INCONCLUSIVE = "inconclusive"
    #: A capability, device or machine kind that the rule needs is absent.
    UNSUPPORTED = "unsupported"
    #: The target does not provide the party that the rule judges.
    NOT_JUDGED = "not-judged"
    #: Ours: suite, adapter or tool.
    ERROR = "error"
    #: A claim without a rule, or a rule without a scenario.
    NOT_IMPLEMENTED = "not-implemented"
    #: A claim that no scenario can show, for a reason that is given.
    NOT_TESTABLE = "not-testable"
    #: Shown apart: advisory, unspecified, out of the profile, or younger than the target's revision.
    NOT_COUNTED = "not-counted"

    def __str__(self) -> str:
        return self.value


#: What a judged row can come to, worst first: one of these decides for its rule.
SEVERITY = (
    Verdict.ERROR,
    Verdict.TARGET_FAILED,
    Verdict.NONCONFORMING,
    Verdict.INCONCLUSIVE,
    Verdict.PASSED,
)


class ExitCode:
    """What the process tells its caller."""

    CONFORMING = 0
    NONCONFORMING = 1
    USAGE = 2
    ERROR = 3
    INCONCLUSIVE = 4


def roll_up(parts: Iterable[Verdict]) -> Verdict:
    """
    Return the verdict of a whole: the worst of the judged parts.

    Parts that were unsupported or not judged decide only where nothing else is left; parts that are not counted decide
    only where there is nothing but them. No parts at all is not implemented.
    """
    found = set(parts)
    for verdict in SEVERITY:
        if verdict in found:
            return verdict
    for verdict in (Verdict.UNSUPPORTED, Verdict.NOT_JUDGED, Verdict.NOT_COUNTED):
        if verdict in found:
            return verdict
    return Verdict.NOT_IMPLEMENTED


def of_rule(rows: Iterable[Verdict], breaches: int = 0) -> Verdict:
    """
    Return the verdict of a rule from its rows', and nonconforming at least if a monitor charged a breach to it.

    Rows without a verdict (answers to what the specification leaves open) come as `not-counted`, and outweigh rows that
    were unsupported.
    """
    found = {*rows, *([Verdict.NONCONFORMING] if breaches else [])}
    return roll_up(found & set(SEVERITY) or found & {Verdict.NOT_COUNTED} or found)


def of_claim(rules: Iterable[Verdict], *, testable: bool = True) -> Verdict:
    """
    Return the verdict of a claim from its rules', where rules that are shown apart come as `not-counted`.

    Only a claim without any rule can be `not-testable`.
    """
    verdict = roll_up(rules)
    return Verdict.NOT_TESTABLE if verdict is Verdict.NOT_IMPLEMENTED and not testable else verdict


def totals(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """Count verdicts; every kind is there, also when zero."""
    counted: Mapping[Verdict, int] = Counter(verdicts)
    return {verdict: counted.get(verdict, 0) for verdict in Verdict}


def exit_code(counted: Iterable[Verdict], apart: Iterable[Verdict] = (), *, breaches: int = 0) -> int:
    """
    Return the exit code of a run whose smoke test passed.

    `counted` are the rows of rules that count, `apart` the rows of those that do not, `breaches` how many breaches were
    charged to rules that count. An error of ours beats a finding, a finding beats a run that shows nothing.
    """
    judged, others = set(counted), set(apart)
    if Verdict.ERROR in judged | others:
        return ExitCode.ERROR
    if judged & {Verdict.NONCONFORMING, Verdict.TARGET_FAILED} or breaches:
        return ExitCode.NONCONFORMING
    if Verdict.INCONCLUSIVE in judged or Verdict.PASSED not in judged | others:
        return ExitCode.INCONCLUSIVE
    return ExitCode.CONFORMING
