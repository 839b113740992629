"""
Runs the rules on the cores that sit in the jury, and puts the table together.

The reference comes first. What a core broke is run twice more: it counts when it shows the same
each time.
"""

from collections.abc import Sequence
from pathlib import Path

from sevconf.judge import Setting
from sevconf.jury.deviations import BAD, load
from sevconf.jury.drivers import DriverAtExit, write_drivers
from sevconf.jury.files import write_jury
from sevconf.jury.questions import QUESTIONS
from sevconf.jury.table import Jury, table
from sevconf.reporting.report import Report
from sevconf.run import Order, run
from sevconf.subjects.firmware.boards import board
from sevconf.subjects.firmware.exits import FIXTURES, watch
from sevconf.subjects.registry import resolve
from sevconf.subjects.smoke import smoke
from sevconf.suite import Catalogue
from sevconf.suite import load as load_suite
from sevconf.suite.locate import suite_root
from sevconf.vocabulary import MachineKind, Party, Profile

#: Who sits in the jury unless somebody else is asked for; the reference always does.
CORES = ("ovmf", "u-boot")
#: How often a broken rule is run.
RUNS = 3


def assemble(cores: Sequence[str], folder: Path, *, everything: bool = False) -> Jury:
    """
    Judge the cores, write the table into a folder, and return it.

    Raises:
        SevconfError: a core cannot be judged.

    """
    catalogue = load_suite(suite_root())
    reports, questions = {}, {question: dict[str, str]() for question in QUESTIONS}
    for name in ("reference", *cores):
        reports[name], answers = _sit(name, catalogue)
        for question, answer in answers.items():
            questions[question][name] = answer
    jury = table(reports, catalogue, questions, load(), everything=everything)
    write_jury(jury, folder)
    return jury


def _sit(name: str, catalogue: Catalogue) -> tuple[tuple[Report, ...], dict[str, str]]:
    rules = frozenset(
        rule.id for rule in catalogue.rules.values() if rule.party is Party.CORE and MachineKind.NONE in rule.kinds
    )
    target = resolve(name)
    try:
        smoke(target)

        def once(chosen: frozenset[str]) -> Report:
            return run(Setting(catalogue, target, Profile.UEFI, 0, chosen), Order(name))

        reports = [once(rules)]
        broken = frozenset(
            rule.id for rule in reports[0].rules if not rule.apart and any(row.verdict in BAD for row in rule.rows)
        )
        reports += [once(broken) for _ in range(RUNS - 1) if broken]
        answers = {}
        for question, ask in QUESTIONS.items():
            machine = target.open(MachineKind.NONE, 0)
            try:
                answers[question] = ask(machine)
            finally:
                machine.close()
    finally:
        target.close()
    return tuple(reports), answers


def watch_drivers(core: str, folder: Path, *, everything: bool = False) -> tuple[DriverAtExit, ...]:
    """
    Look from outside at what the drivers of a core do at exit, write the table into a folder, and return it.

    Raises:
        SevconfError: a machine cannot be brought so far.

    """
    on = board(core)
    seen = [watch(on, fixture) for fixture in FIXTURES]
    told = tuple(
        DriverAtExit(
            driver=f"{one.driver} ({one.device})",
            at_exit=one.acts,
            state=f"{one.before} before, {one.after} after",
            bus_master="set" if one.bus_master else "clear",
            stimulus=one.stimulus,
            pages_written=one.unasked + one.written,
            halted=one.halted,
        )
        for one in seen
    )
    write_drivers(told, core, folder, everything=everything)
    return told
