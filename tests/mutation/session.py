"""
A session of the feature suite that runs no rows of its own accord: it lends them, collected and warm, to whoever asks.

What rows come to without a mutant, and which lines each of them runs, is recorded once.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

from sevconf import run
from sevconf.faults import CATALOGUE
from sevconf.suite import Catalogue
from sevconf.vocabulary import Party
from tests.mutation.mutants import ROOMS, ROOT, Mutant
from tests.mutation.trial import Ask, Rows, blames, outcome

#: Targets that conform, and the parties whose rules are asked there. The reference comes first; the others are asked
#: about lines only that it never runs.
CONFORMING: dict[str, frozenset[Party]] = {
    "reference": frozenset(Party),
    "sev-pool": frozenset({Party.IOMMU_DRIVER}),
    "era:edk2-202211": frozenset({Party.CORE}),
    "shuffled": frozenset({Party.CORE, Party.IOMMU_DRIVER}),
}


@dataclass(frozen=True, slots=True)
class Baseline:
    """
    Rows without a mutant: `asked` is target and row, `outcomes` what they came to.

    `blamed` is the row that blames a rule on a fault (`TARGET RULE`), `lines` those that run each line of a file, as
    bits; both by their place in `asked`.
    """

    asked: tuple[tuple[str, str], ...]
    outcomes: tuple[str, ...]
    blamed: dict[str, int]
    lines: dict[str, dict[int, int]]

    def running(self, mutant: Mutant) -> int:
        """Return those that run a mutant's line, as bits; for what runs at import, those that run its file."""
        lines = self.lines.get(mutant.path, {})
        if mutant.function and (found := lines.get(mutant.line, 0)):
            return found
        source = (ROOT / mutant.path).read_text(encoding="utf-8").splitlines()
        outside = not mutant.function or mutant.function.split(".")[-1].lstrip("_")[0].isupper()
        if not outside and not source[mutant.line - 1].lstrip().startswith("def "):
            return 0
        every = 0
        for bits in lines.values():
            every |= bits
        return every

    def asks(self, mutant: Mutant) -> list[Ask]:
        """Return what to ask about a mutant, most telling first."""
        bits = self.running(mutant)
        chosen: dict[str, list[int]] = defaultdict(list)
        for place, (target, _) in enumerate(self.asked):
            if bits >> place & 1 and target in CONFORMING:
                chosen[target].append(place)
        targets = ["reference"] if "reference" in chosen else list(chosen)
        asks = [self._ask(target, chosen[target]) for target in targets]
        return [*self._faults(bits, mutant), *asks] if mutant.room == "monitors" else asks

    def _ask(self, target: str, places: Iterable[int]) -> Ask:
        order = _by_turns(places, lambda place: self.asked[place][1].split(".")[0])
        return Ask(target, tuple(self.asked[p][1] for p in order), tuple(self.outcomes[p] for p in order))

    def _faults(self, bits: int, mutant: Mutant) -> list[Ask]:
        source = (ROOT / mutant.path).read_text(encoding="utf-8")
        asks = []
        for key, place in self.blamed.items():
            target, rule = key.split()
            if bits >> place & 1:
                own, others = self.asked[place][1], self._rows_of(rule)
                fault = CATALOGUE[target.removeprefix("faulty:")]
                allowed = frozenset({*fault.catches, *dict(fault.collateral)})
                asks.append(Ask(target, (own, *(row for row in others if row != own)), rule=rule, allowed=allowed))
        return sorted(asks, key=lambda ask: ask.rule not in source)

    def _rows_of(self, rule: str) -> list[str]:
        return [row for target, row in self.asked if target == "reference" and row.startswith(f"{rule}.")]


def _by_turns(places: Iterable[int], group: Callable[[int], str]) -> list[int]:
    """Order places so that groups take turns."""
    seen: dict[str, int] = defaultdict(int)
    turns = []
    for place in places:
        seen[group(place)] += 1
        turns.append((seen[group(place)], place))
    return [place for _, place in sorted(turns)]


def wanted(suite: Catalogue, *, quick: bool) -> Iterator[tuple[str, str, str]]:
    """
    Yield targets and rows to ask of them: conforming ones, then each fault's with the rule that it breaks.

    `quick` is the reference alone, and one fault a rule.
    """
    for target, parties in CONFORMING.items():
        if quick and target != "reference":
            continue
        yield from ((target, row.id, "") for row in suite.rows.values() if suite.rules[row.rule].party in parties)
    had: set[str] = set()
    for fault in CATALOGUE.values():
        for rule in sorted({*fault.catches, *dict(fault.collateral)}):
            if quick and rule in had:
                continue
            had.add(rule)
            yield from ((f"faulty:{fault.name}", row, rule) for row in suite.rows_of(frozenset({rule})))


def record(rows: Rows, suite: Catalogue, *, quick: bool) -> Baseline:
    """Run rows with lines: all of a conforming target's, and a fault's up to the first that blames each rule."""
    measured = coverage.Coverage(
        data_file=None, config_file=False, include=[str(ROOT / "sevconf" / room / "*") for room in ROOMS]
    )
    asked: list[tuple[str, str]] = []
    outcomes: list[str] = []
    blamed: dict[str, int] = {}
    measured.start()
    try:
        for target, row, rule in wanted(suite, quick=quick):
            if f"{target} {rule}" in blamed:
                continue
            measured.switch_context(str(len(asked)))
            found = rows.run(target, row)
            if rule and blames(found, rule):
                blamed[f"{target} {rule}"] = len(asked)
            asked.append((target, row))
            outcomes.append(outcome(found))
    finally:
        measured.stop()
    data = measured.get_data()
    lines = {}
    for file in data.measured_files():
        contexts = data.contexts_by_lineno(file)
        bits = {line: sum({1 << int(place) for place in found if place}) for line, found in contexts.items()}
        lines[Path(file).relative_to(ROOT).as_posix()] = bits
    return Baseline(tuple(asked), tuple(outcomes), blamed, lines)


def save(baseline: Baseline, path: Path) -> None:
    """Keep it."""
    lines = {file: {line: hex(bits) for line, bits in found.items()} for file, found in baseline.lines.items()}
    text = json.dumps([baseline.asked, baseline.outcomes, baseline.blamed, lines])
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> Baseline:
    """Read it back."""
    asked, outcomes, blamed, lines = json.loads(path.read_text(encoding="utf-8"))
    bits = {file: {int(line): int(text, 16) for line, text in found.items()} for file, found in lines.items()}
    return Baseline(tuple((target, row) for target, row in asked), tuple(outcomes), blamed, bits)


class _Lender:
    """Takes the place of pytest's loop over the rows."""

    def __init__(self, work: Callable[[Rows], None]) -> None:
        self._work = work
        self.raised: BaseException | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Lend the rows."""
        try:
            self._work(Rows(session))
        except BaseException as error:  # noqa: BLE001 -- raised again outside of pytest, which would only print it
            self.raised = error
        return True


def lend(work: Callable[[Rows], None]) -> None:
    """Collect the suite, and have the work done with its rows."""
    lender = _Lender(work)
    arguments = [str(run.RULES), "-c", os.devnull, f"--rootdir={run.RULES.parent}", "--noconftest"]
    arguments += ["--import-mode=importlib", "--strict-markers", "-p", "pytest_bdd.plugin", "-p", "sevconf.plugin"]
    idle = ("terminal", "cacheprovider", "warnings", "faulthandler", "logging", "unraisableexception", "capture")
    arguments += [part for name in idle for part in ("-p", f"no:{name}")]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    pytest.main(arguments, plugins=[lender])
    if lender.raised is not None:
        raise lender.raised
