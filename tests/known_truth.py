"""Known truth on binaries: what a driver with one fault fails that the driver without it does not."""

import sys

import click

from sevconf.judge import Setting
from sevconf.reporting.report import Report
from sevconf.run import Order, run
from sevconf.subjects.binary.inject.table import INJECTIONS
from sevconf.subjects.choices import Choices
from sevconf.subjects.registry import resolve
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict
from sevconf.vocabulary import Party, Profile

_SUITE = load(suite_root())
_FAILED = {Verdict.NONCONFORMING, Verdict.TARGET_FAILED, Verdict.ERROR}
#: Every rule that judges IOMMU drivers.
RULES = frozenset(rule.id for rule in _SUITE.rules.values() if rule.party is Party.IOMMU_DRIVER)


def judged(name: str, inject: str = "", rules: frozenset[str] = RULES) -> Report:
    """Judge a binary by rules on IOMMU drivers, those of proposals among them."""
    choices = Choices(inject=inject)
    target = resolve(name, choices)
    try:
        return run(Setting(_SUITE, target, Profile.THREAD_PROPOSAL, 0, rules), Order(name, choices=choices))
    finally:
        target.close()


def newly_failing(before: Report, after: Report) -> set[str]:
    """Return the rules of which a row fails that did not fail, or that a monitor saw broken for the first time."""
    failed = {row.id for rule in before.rules for row in rule.rows if row.verdict in _FAILED}
    breached = {rule.id for rule in before.rules if rule.breaches}
    rows = {rule.id for rule in after.rules for row in rule.rows if row.verdict in _FAILED and row.id not in failed}
    return rows | ({rule.id for rule in after.rules if rule.breaches} - breached)


def main() -> int:
    """Print for every injected fault which rules newly fail on a binary, and whether the table says so."""
    name = sys.argv[1] if sys.argv[1:] else "/usr/share/OVMF/OVMF_CODE_4M.fd#IoMmuDxe"
    before, wrong = judged(name), 0
    for injection in INJECTIONS.values():
        fails = newly_failing(before, judged(name, injection.name))
        right = fails == {*injection.catches, *injection.reveals}
        wrong += not right
        click.echo(f"{injection.name}: {'as declared' if right else 'WRONG'}: {' '.join(sorted(fails))}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
