"""
Trying one machine with one bug: which of its party's rules fail it, and whether they are those that must.

Rules on other parties would not be judged. Proposals count, so that they are tried as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sevconf.errors import SevconfError
from sevconf.faults import CATALOGUE, Fault
from sevconf.judge import Setting
from sevconf.reporting.report import Report
from sevconf.run import Order, run
from sevconf.subjects.registry import resolve
from sevconf.suite import Catalogue
from sevconf.verdict import Verdict
from sevconf.vocabulary import Basis, Party, Profile

#: Verdicts that a bug may bring about in rows of other rules: they blame nobody.
_HARMLESS = {Verdict.PASSED, Verdict.INCONCLUSIVE, Verdict.UNSUPPORTED, Verdict.NOT_COUNTED}
#: The seed of every trial.
SEED = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What a machine was found to do.

    Of the rules that were judged: `caught` had to fail it and did, `missed` had to and did not; `collateral` was said
    to fail it too and did, `silent` was said to and did not; `unexplained` failed it, and nobody said so, or ended in
    an error. `otherwise` are rows of unspecified rules that it answers as the reference does not, with its answer.
    """

    target: str
    judged: tuple[str, ...]
    caught: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    collateral: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether it is not what was said of the machine."""
        return bool(self.missed or self.silent or self.unexplained)


def rules_for(suite: Catalogue, fault: Fault, chosen: Iterable[str], *, near: bool) -> frozenset[str]:
    """Return which of the chosen rules to judge a machine by: its party's; `near`: of the files of those it breaks."""
    files = {suite.rules[rule].file for rule in (fault.declared | set(fault.shown_by)) & suite.rules.keys()}
    own = (suite.rules[rule] for rule in chosen if suite.rules[rule].party is fault.party)
    return frozenset(rule.id for rule in own if not near or rule.file in files)


def answers(suite: Catalogue, target: str, parties: Iterable[Party] = Party) -> dict[str, str]:
    """Return what a target answers to the unspecified rules on parties, by row."""
    of = frozenset(parties)
    rules = frozenset(r.id for r in suite.rules.values() if r.basis is Basis.UNSPECIFIED and r.party in of)
    return _answers(_report(suite, target, rules)) if rules else {}


def legal(suite: Catalogue, target: str, reference: Mapping[str, str]) -> Finding:
    """Ask the unspecified rules of a target that conforms in another way than the reference."""
    said = answers(suite, target)
    rules = {suite.rows[row].rule for row in reference}
    return Finding(target, tuple(sorted(rules)), otherwise=_otherwise(said, reference))


def tried(suite: Catalogue, name: str, rules: frozenset[str], reference: Mapping[str, str]) -> Finding:
    """
    Judge the machine with that bug by those rules; `reference` are the reference's answers.

    Raises:
        SevconfError: the run could not be brought to an end.

    """
    fault = CATALOGUE[name]
    try:
        report = _report(suite, f"faulty:{name}", rules)
    except SevconfError as error:
        raise SevconfError(f"faulty:{name}: {error.message}", hint=error.hint) from error
    verdicts = {rule.id: {row.verdict for row in rule.rows} for rule in report.rules}
    breached = {rule.id for rule in report.rules if rule.breaches}
    blamed = {rule for rule, found in verdicts.items() if Verdict.NONCONFORMING in found} | breached
    odd = {rule for rule, found in verdicts.items() if found - _HARMLESS - {Verdict.NONCONFORMING}}
    catches, also = rules & set(fault.catches), rules & dict(fault.collateral).keys()
    return Finding(
        name,
        judged=_ids(rules),
        caught=_ids(catches & blamed),
        missed=_ids(catches - blamed),
        collateral=_ids(also & blamed),
        silent=_ids(also - blamed),
        unexplained=_ids(blamed - catches - also | odd),
        otherwise=_otherwise(_answers(report), reference),
    )


def _ids(rules: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(rules))


def _report(suite: Catalogue, target: str, rules: frozenset[str]) -> Report:
    judged = resolve(target)
    try:
        return run(Setting(suite, judged, Profile.THREAD_PROPOSAL, SEED, rules), Order(target))
    finally:
        judged.close()


def _answers(report: Report) -> dict[str, str]:
    return {row.id: row.answer for row in report.rows if row.answer}


def _otherwise(said: Mapping[str, str], reference: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{row}: {answer}" for row, answer in sorted(said.items()) if reference.get(row, answer) != answer)
