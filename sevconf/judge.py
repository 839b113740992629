"""
Judging one row: its machine, what its steps found, what the monitors say, and the verdict by kind of exception.

Knows nothing of pytest; `plugin` brings the steps.
"""

import hashlib
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sevconf.contract import Machine, Target
from sevconf.errors import ForeignFailure, Inconclusive, Nonconformance, SevconfError, SuiteError, Unsupported
from sevconf.monitors import MONITORS, Breach, charge
from sevconf.reporting.files import trace_file
from sevconf.reporting.normal import normalised
from sevconf.reporting.record import TOLD, BreachRecord, RowRecord
from sevconf.reporting.report import Scope
from sevconf.suite import Catalogue, Row, Rule, Scenario
from sevconf.trace import Trace, excerpt
from sevconf.trace.codec import digest, encode
from sevconf.verdict import Verdict
from sevconf.vocabulary import Basis, MachineKind, Profile

#: Whoever a Given or When acts as: never charged.
SCENARIO = "scenario"
#: The most lines of a trace that a proof shows.
EXCERPT_LINES = 40
#: How many entries stand for a proof that names none.
TAIL = 6
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Setting:
    """
    What a whole run shares.

    `rules` are the ids selected, `traces` is the folder to keep traces in, if any: those of rows that are not as they
    should be, or with `all_traces` every one.
    """

    catalogue: Catalogue
    target: Target
    profile: Profile
    seed: int
    rules: frozenset[str]
    traces: Path | None = None
    all_traces: bool = False

    @property
    def rows(self) -> dict[str, Row]:
        """The rows selected."""
        return self.catalogue.rows_of(self.rules)

    @property
    def scope(self) -> Scope:
        """What a report says of the run."""
        target = self.target
        return Scope(self.catalogue, target.identity, target.revision, self.profile, self.seed, self.rules)


def row_seed(seed: int, row: str) -> int:
    """Return the seed of a row: it depends on the run's seed and the row's id, not on what ran before."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{row}".encode()).digest()[:8], "big")


def precluded(rule: Rule, scenario: Scenario, kind: MachineKind, target: Target) -> tuple[Verdict, str] | None:
    """Decide before the body runs whether the target lacks what a row needs; a row that lacks both is not judged."""
    if rule.party not in target.parties:
        return Verdict.NOT_JUDGED, f"the target does not provide the party {rule.party.value}"
    if kind not in target.kinds:
        return Verdict.UNSUPPORTED, f"the target has no machine of kind {kind.value}"
    missing = sorted(capability.value for capability in scenario.needs - target.capabilities)
    if missing:
        return Verdict.UNSUPPORTED, f"the target lacks {', '.join(missing)}"
    return None


def proof(trace: Trace, steps: Iterable[int]) -> tuple[str, ...]:
    """Return the steps of a proof, marked, among the calls and notifications inside which they happened."""
    named = {step for step in steps if 1 <= step <= len(trace)}
    if not named:
        return tuple(f"  {line}" for line in excerpt(trace, range(len(trace) - TAIL + 1, len(trace) + 1)))
    around = {outer.step for step in named for outer in trace.enclosing(trace.at(step))}
    lines = [
        f"{'>' if step in named else ' '} {line}"
        for step, line in zip(sorted(named | around), excerpt(trace, named | around), strict=True)
    ]
    if len(lines) > EXCERPT_LINES:
        half = EXCERPT_LINES // 2
        lines[half:-half] = [f"  … {len(lines) - 2 * half} lines left out"]
    return tuple(lines)


class Trial:
    """
    One row on trial.

    The machine opens when a step first asks for it; `finish` closes it and returns the record.
    """

    def __init__(self, setting: Setting, row: Row) -> None:
        self.setting = setting
        self.row = row
        self.rule = setting.catalogue.rules[row.rule]
        self._machine: Machine | None = None
        self._answer = ""
        self._step = 0
        self._breaches: tuple[int, tuple[Breach, ...]] | None = None

    @property
    def machine(self) -> Machine:
        """The machine, freshly reset at first."""
        if self._machine is None:
            seed = row_seed(self.setting.seed, self.row.id)
            self._machine = self.setting.target.open(self.row.kind, seed)
        return self._machine

    def begin_step(self) -> None:
        """Count a step of the scenario that is about to be taken."""
        self._step += 1

    def answer(self, text: str) -> None:
        """Record what an unspecified rule's row found out."""
        if self.rule.basis is not Basis.UNSPECIFIED:
            basis = self.rule.basis.value
            raise SuiteError(f"{self.rule.id}: expected an answer of an @unspecified rule only, not of @{basis}")
        self._answer = text

    def monitored(self, rule: str) -> tuple[Breach, ...]:
        """
        Return the breaches of that rule which are charged to parties of the target, so far.

        Raises:
            SuiteError: no monitor watches that rule.

        """
        if all(monitor.rule != rule for monitor in MONITORS):
            raise SuiteError(f"{self.row.id}: no monitor watches {rule}")
        return tuple(breach for breach in self._all_breaches() if breach.rule == rule)

    def _all_breaches(self) -> tuple[Breach, ...]:
        trace = self.machine.trace
        if self._breaches is None or self._breaches[0] != len(trace):
            self._breaches = len(trace), charge(trace, self.setting.target.parties)
        return self._breaches[1]

    def finish(self, error: BaseException | None, seconds: float) -> RowRecord:
        """Judge the row by what its body raised, charge what the monitors find, keep the trace, close the machine."""
        try:
            record = self._judged(error)
        except Exception as ours:  # noqa: BLE001 -- whatever a monitor or codec raises is an error of this row
            record = self._failed(ours)
        record = replace(self._closed(record), seconds=seconds)
        return record if self.setting.target.identity.repeats else normalised(record)

    def _judged(self, error: BaseException | None) -> RowRecord:
        record = self._verdict(error)
        if error is not None:
            record = replace(record, step=self._step or None)
        if self._machine is None:
            return record
        if record.verdict not in (Verdict.ERROR, Verdict.TARGET_FAILED):
            repeats = self.setting.target.identity.repeats
            hash_ = digest(self._machine.trace, self.row.id) if repeats else None
            record = replace(record, breaches=self._charged(), trace_sha256=hash_)
        wrong = record.verdict in TOLD or record.breaches
        if self.setting.traces is not None and (wrong or self.setting.all_traces):
            lines = encode(self._machine.trace, self.row.id)
            path = self.setting.traces / trace_file(self.row.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return record

    def _verdict(self, error: BaseException | None) -> RowRecord:
        match error:
            case None:
                return self._passed()
            case Nonconformance():
                return self._nonconforming(error)
            case ForeignFailure():
                return self._failed(error)
            case Inconclusive():
                return RowRecord(self.row.id, Verdict.INCONCLUSIVE, observed=str(error))
            case Unsupported():
                return RowRecord(self.row.id, Verdict.UNSUPPORTED, observed=str(error))
            case _:
                return self._failed(error)

    def _passed(self) -> RowRecord:
        if self._machine is None:
            return self._failed(SuiteError(f"{self.row.id}: no step used the machine, so nothing was shown"))
        if self.rule.basis is not Basis.UNSPECIFIED:
            return RowRecord(self.row.id, Verdict.PASSED)
        if not self._answer:
            return self._failed(SuiteError(f"{self.row.id}: no step gave the answer that an @unspecified rule is for"))
        return RowRecord(self.row.id, Verdict.NOT_COUNTED, answer=self._answer)

    def _nonconforming(self, found: Nonconformance) -> RowRecord:
        if self.rule.basis is Basis.UNSPECIFIED:
            return self._failed(SuiteError(f"{self.row.id}: an @unspecified rule has no verdict: {found.observed}"))
        if found.culprit == SCENARIO:
            return self._failed(SuiteError(f"{self.row.id}: blames the scenario for its own act: {found.observed}"))
        return RowRecord(
            self.row.id,
            Verdict.NONCONFORMING,
            expected=found.expected,
            observed=found.observed,
            culprit=found.culprit,
            trace=proof(self._machine.trace, found.steps) if self._machine is not None else (),
        )

    def _failed(self, error: BaseException) -> RowRecord:
        if isinstance(error, ForeignFailure):
            observed = f"{error.how}, while it was asked to {error.act}"
            return RowRecord(self.row.id, Verdict.TARGET_FAILED, observed=observed, culprit=error.culprit)
        observed = str(error) if isinstance(error, SevconfError) else f"{type(error).__name__}: {error}{_where(error)}"
        return RowRecord(self.row.id, Verdict.ERROR, observed=observed)

    def _charged(self) -> tuple[BreachRecord, ...]:
        return tuple(self._breach(breach) for breach in self._all_breaches() if breach.rule in self.setting.rules)

    def _breach(self, breach: Breach) -> BreachRecord:
        trace = self.machine.trace
        return BreachRecord(
            rule=breach.rule,
            row=self.row.id,
            expected=breach.expected,
            observed=breach.observed,
            culprit=breach.culprit,
            trace=proof(trace, breach.steps),
            consequences=excerpt(trace, breach.consequences[:EXCERPT_LINES]),
        )

    def _closed(self, record: RowRecord) -> RowRecord:
        if self._machine is None:
            return record
        try:
            self._machine.close()
        except Exception as error:  # noqa: BLE001 -- what closing raises is judged like what a step raises
            if record.verdict not in (Verdict.ERROR, Verdict.TARGET_FAILED):
                return self._failed(error)
        finally:
            self._machine = None
        return record


def _where(error: BaseException) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.parent.name == "steps" or path.is_relative_to(_PACKAGE):
            return f" ({path.parent.name}/{path.name}, line {frame.lineno}, in {frame.name})"
    return ""
