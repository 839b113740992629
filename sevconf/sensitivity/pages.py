"""The matrix to read: as Markdown for a repository, and a few lines for a terminal."""

from collections.abc import Iterable, Iterator

from tabulate import tabulate

from sevconf.reporting.markdown import row as line
from sevconf.sensitivity.matrix import FaultRow, Matrix, RuleRow
from sevconf.sensitivity.threats import Threat

_INTRODUCTION = """\
Every machine is the reference with one bug. A rule *catches* the machine whose bug it is about. *Collateral* are other
rules that fail it as well, each because the bug breaks that clause too. *Missed* is a rule that had to catch a machine
and did not, *silent* collateral that was expected and did not come, *unexplained* a failure that nobody foretold.
The threat is what comes of the bug, or of breaking the rule."""


def counts(found: Matrix) -> tuple[tuple[str, str], ...]:
    """Return what it comes to, in numbers."""
    excused = sum(bool(row.excuse) for row in found.rules)
    return (
        ("rules", str(len(found.rules))),
        ("caught by a machine of their own", str(len(found.caught))),
        ("need none", str(excused)),
        ("have none and need one", str(len(found.uncaught))),
        ("left open, and answered the same way by every target", str(len(found.unmoved))),
        ("faults", str(len(found.faults))),
        ("pairs of fault and rule judged", str(found.pairs)),
        ("pairs missed", str(len(found.missed))),
        ("pairs of collateral", str(found.collateral)),
        ("collateral silent", str(len(found.silent))),
        ("failures unexplained", str(len(found.unexplained))),
        ("rules a fault, median", f"{found.median:g}"),
        ("rules a made-up fault, most", str(found.most)),
    )


def summary(found: Matrix) -> str:
    """Return a few lines for a terminal, with whatever is wrong."""
    lines = [tabulate(counts(found), tablefmt="plain", disable_numparse=True)]
    lines += [f"not caught by any machine: {rule}" for rule in found.uncaught]
    lines += [f"missed: {fault} by {rule}" for fault, rule in found.missed]
    lines += [f"silent: {fault} does not fail {rule}" for fault, rule in found.silent]
    lines += [f"unexplained: {fault} fails {rule}" for fault, rule in found.unexplained]
    lines.append("every fault is caught by its rules alone" if found.holds else "not as it should be")
    return "\n".join(lines) + "\n"


def markdown(found: Matrix) -> str:
    """Return sensitivity.md."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Matrix) -> Iterator[str]:
    yield from ("# Sensitivity: what the suite catches, and what it does not blame", "", _INTRODUCTION, "")
    yield f"Each machine was judged by {found.scope}."
    yield ""
    yield from _table(("count", "number"), counts(found))
    yield from ("", "## Threats", "")
    yield from _table(
        ("threat", "meaning", "rules", "faults"),
        (
            (
                threat.value,
                threat.meaning,
                str(sum(row.threat is threat for row in found.rules)),
                str(sum(row.threat is threat for row in found.faults)),
            )
            for threat in Threat
        ),
    )
    wrong = [row for row in found.faults if row.missed or row.silent or row.unexplained]
    yield from ("", "## Not as it should be", "")
    yield from _wrong(found, wrong)
    yield from ("", "## Rules", "")
    yield "A rule that no machine catches says why none has to."
    yield ""
    yield from _table(("rule", "sentence", "judges", "threat", "caught", "as collateral"), map(_rule, found.rules))
    for party in dict.fromkeys(row.party for row in found.faults):
        yield from ("", f"## Faults: {party}", "")
        own = (row for row in found.faults if row.party == party)
        yield from _table(("fault", "bug", "threat", "caught by", "collateral, and the clause"), map(_fault, own))


def _wrong(found: Matrix, wrong: Iterable[FaultRow]) -> Iterator[str]:
    rows = [(rule, "", "no machine is caught by it", "") for rule in found.uncaught]
    rows += [
        (row.fault, " ".join(row.missed), " ".join(rule for rule, _ in row.silent), " ".join(row.unexplained))
        for row in wrong
    ]
    if not rows:
        yield "Nothing: 0 missed, 0 silent, 0 unexplained, and no rule without its machine."
        return
    yield from _table(("fault or rule", "missed", "silent", "unexplained"), rows)


def _rule(row: RuleRow) -> tuple[str, ...]:
    caught = ", ".join(row.caught) or row.excuse or "nothing"
    if row.otherwise:
        caught += f"; answered otherwise by {', '.join(row.otherwise)}"
    return row.rule, row.sentence, row.party, row.threat.value, caught, ", ".join(row.collateral)


def _fault(row: FaultRow) -> tuple[str, ...]:
    collateral = "; ".join(f"{rule}: {clause}" for rule, clause in row.collateral)
    return row.fault, row.bug, row.threat.value, " ".join(row.caught), collateral


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield line(headers)
    yield line(("---",) * len(headers))
    yield from map(line, rows)
