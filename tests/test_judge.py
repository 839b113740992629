"""Judging one row: verdicts by what was raised, breaches, proofs, traces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sevconf import judge
from sevconf.contract import Capability
from sevconf.errors import ForeignFailure, Inconclusive, LostContact, Nonconformance, SuiteError, Unsupported
from sevconf.judge import Setting, Trial, precluded, proof, row_seed
from sevconf.monitors import Breach
from sevconf.reporting.files import trace_file
from sevconf.suite import Catalogue, Row, load
from sevconf.trace import ServiceCall, Trace
from sevconf.trace.codec import decode
from sevconf.verdict import Verdict
from sevconf.vocabulary import Basis, MachineKind, Party, Profile, Tpl
from tests.miniature import FakeTarget, plant, rule

ROW = "EVT-01.1{on=none}"


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Return a suite of one rule and one row."""
    return load(plant(tmp_path / "suite", monkeypatch, rule()))


@pytest.fixture
def setting(catalogue: Catalogue) -> Setting:
    """Return a run of that suite on the fake target."""
    return Setting(catalogue, FakeTarget(), Profile.OVMF_SEV, 0, frozenset(catalogue.rules))


@pytest.fixture
def trial(setting: Setting) -> Trial:
    """Return that row on trial, after its machine acted."""
    return _acted(setting)


def _acted(setting: Setting) -> Trial:
    trial = Trial(setting, setting.rows[ROW])
    trial.machine.act("runs")  # type: ignore[attr-defined]
    return trial


def _of_basis(setting: Setting, basis: Basis) -> Setting:
    """Return the setting with the one rule resting on that."""
    (feature,) = setting.catalogue.features
    (one,) = feature.rules
    changed = replace(feature, rules=(replace(one, basis=basis),))
    return replace(setting, catalogue=Catalogue((changed,)))


@pytest.mark.parametrize(
    ("raised", "verdict", "observed"),
    [
        (None, Verdict.PASSED, ""),
        (Nonconformance("it rests", "it runs", "driver:fake", (1,)), Verdict.NONCONFORMING, "it runs"),
        (ForeignFailure("driver:fake", "start", "hung"), Verdict.TARGET_FAILED, "hung, while it was asked to start"),
        (Inconclusive("no handler ran"), Verdict.INCONCLUSIVE, "no handler ran"),
        (Unsupported("no lamp"), Verdict.UNSUPPORTED, "no lamp"),
        (LostContact("fake", "gone"), Verdict.ERROR, "fake: gone"),
        (AssertionError("1 == 2"), Verdict.ERROR, "AssertionError: 1 == 2"),
        (KeyError("lamp"), Verdict.ERROR, "KeyError: 'lamp'"),
        (SystemExit(2), Verdict.ERROR, "SystemExit: 2"),
        (pytest.fail.Exception("no"), Verdict.ERROR, "Failed: no"),
        (pytest.skip.Exception("no"), Verdict.ERROR, "Skipped: no"),
    ],
)
def test_the_verdict_follows_the_family(
    trial: Trial, raised: BaseException | None, verdict: Verdict, observed: str
) -> None:
    """Only a Nonconformance counts against the judged party; what is no family of ours is an error of ours."""
    record = trial.finish(raised, 0.5)
    assert (record.verdict, record.observed, record.seconds) == (verdict, observed, 0.5)


def test_a_nonconformance_is_a_proof(trial: Trial) -> None:
    """Its record carries what was expected, what was observed, whom to blame and the steps that show it."""
    record = trial.finish(Nonconformance("it rests", "it runs", "driver:fake", (2,)), 0)
    assert (record.expected, record.culprit) == ("it rests", "driver:fake")
    assert record.trace[0].startswith(">     2  TPL_APPLICATION")


def test_foreign_failures_name_the_culprit_and_no_trace(trial: Trial) -> None:
    """A failed target is named, and its trace, which may differ from run to run, is not hashed."""
    record = trial.finish(ForeignFailure("driver:fake", "start", "hung"), 0)
    assert (record.culprit, record.trace_sha256, record.breaches) == ("driver:fake", None, ())


def test_where_an_error_of_ours_is(trial: Trial) -> None:
    """An error in our code says where, without the machine's own paths."""
    with pytest.raises(TypeError) as raised:
        proof(trial.machine.trace, None)  # type: ignore[arg-type]
    observed = trial.finish(raised.value, 0).observed
    assert observed.startswith("TypeError: 'NoneType' object is not iterable (sevconf/judge.py, line ")


def test_a_pass_without_a_machine_is_an_error(setting: Setting) -> None:
    """A row whose steps never used the machine has shown nothing."""
    record = Trial(setting, setting.rows[ROW]).finish(None, 0)
    assert record.verdict is Verdict.ERROR
    assert "no step used the machine" in record.observed


def test_the_scenario_is_never_blamed(trial: Trial) -> None:
    """A Then-step that blames the scenario for its own act is an error of the suite."""
    record = trial.finish(Nonconformance("rest", "run", "scenario"), 0)
    assert record.verdict is Verdict.ERROR
    assert "blames the scenario" in record.observed


def test_an_unspecified_rule_answers(setting: Setting) -> None:
    """A row of an unspecified rule has an answer and no verdict."""
    trial = _acted(_of_basis(setting, Basis.UNSPECIFIED))
    trial.answer("once")
    record = trial.finish(None, 0)
    assert (record.verdict, record.answer) == (Verdict.NOT_COUNTED, "once")


@pytest.mark.parametrize("raised", [None, Nonconformance("a", "b", "core")])
def test_an_unspecified_rule_must_answer(setting: Setting, raised: BaseException | None) -> None:
    """A row of an unspecified rule that gives no answer, or judges, is an error of the suite."""
    assert _acted(_of_basis(setting, Basis.UNSPECIFIED)).finish(raised, 0).verdict is Verdict.ERROR


def test_other_rules_do_not_answer(trial: Trial) -> None:
    """Only an unspecified rule may answer."""
    with pytest.raises(SuiteError, match="expected an answer of an @unspecified rule only, not of @uefi"):
        trial.answer("yes")


class _Watch:
    """A monitor that finds a breach of its rule in every trace."""

    def __init__(self, rule_id: str) -> None:
        self.rule = rule_id
        self.party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find it at the last step."""
        return (Breach(self.rule, "it rests", "it runs", "driver:fake", (len(trace),), consequences=(1,)),)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts monitors of these rules in place of all others."""

    def put(*rules: str) -> None:
        monitors = tuple(_Watch(one) for one in rules)
        monkeypatch.setattr(judge, "MONITORS", monitors)
        monkeypatch.setattr(judge, "charge", lambda trace, _: tuple(b for m in monitors for b in m.breaches(trace)))

    return put


def test_breaches_go_to_the_monitors_rule(trial: Trial, watch: Callable[..., None]) -> None:
    """Whatever the row's own verdict is, what a monitor finds is recorded with the row where it was seen."""
    watch("EVT-01")
    record = trial.finish(None, 0)
    (breach,) = record.breaches
    assert record.verdict is Verdict.PASSED
    assert (breach.rule, breach.row) == ("EVT-01", ROW)
    assert breach.trace[0].startswith(">")
    assert len(breach.consequences) == 1


def test_only_selected_rules_charge(trial: Trial, watch: Callable[..., None]) -> None:
    """A monitor of a rule that is not selected charges nothing."""
    watch("EVT-02")
    assert trial.finish(None, 0).breaches == ()


def test_a_then_asks_for_monitors_that_are_there(trial: Trial) -> None:
    """A Then-step that asks for a rule without monitor is an error of the suite, not a pass."""
    with pytest.raises(SuiteError, match="no monitor watches XXX-99"):
        trial.monitored("XXX-99")


def test_a_then_asks_the_monitors(trial: Trial, watch: Callable[..., None]) -> None:
    """A Then-step gets the charged breaches of the rule it asks for."""
    watch("EVT-01", "EVT-02")
    assert [breach.rule for breach in trial.monitored("EVT-02")] == ["EVT-02"]


def test_a_monitor_that_breaks_is_an_error(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """A monitor that raises makes an error of the row, and the machine is closed all the same."""
    monkeypatch.setattr(judge, "charge", lambda *_: 1 // 0)
    record = trial.finish(None, 0)
    assert (record.verdict, record.observed.split(":")[0]) == (Verdict.ERROR, "ZeroDivisionError")
    assert trial.setting.target.opened[0].closed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(ForeignFailure("driver:fake", "stop", "hung"), Verdict.TARGET_FAILED), (OSError("pipe"), Verdict.ERROR)],
)
def test_closing_is_judged_too(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, error: Exception, verdict: Verdict
) -> None:
    """What closing the machine raises decides the row, unless something worse did already."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(trial.machine, "close", fail)
    assert trial.finish(None, 0).verdict is verdict


def test_the_first_failure_stands(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that cannot be closed after an error does not hide the error."""
    monkeypatch.setattr(trial.machine, "close", lambda: 1 // 0)
    assert trial.finish(KeyError("lamp"), 0).observed == "KeyError: 'lamp'"


def test_the_machine_gets_its_rows_seed(trial: Trial) -> None:
    """The seed of a row depends on the run's seed and on its id alone."""
    assert trial.setting.target.opened[0].seed == row_seed(0, ROW)  # type: ignore[attr-defined]
    assert len({row_seed(0, ROW), row_seed(1, ROW), row_seed(0, "EVT-01.2{on=none}")}) == 3


def test_traces_are_kept(setting: Setting, tmp_path: Path) -> None:
    """A trace is kept under the row's id, and reads back; of a row that passed, only if all are asked for."""
    _acted(replace(setting, traces=tmp_path / "kept")).finish(None, 0)
    assert not (tmp_path / "kept").exists()
    record = _acted(replace(setting, traces=tmp_path / "kept", all_traces=True)).finish(None, 0)
    row, trace = decode((tmp_path / "kept" / "EVT-01.1{on=none}.jsonl").read_text().splitlines())
    assert (row, len(trace)) == (ROW, 2)
    assert record.trace_sha256 is not None


def test_trace_files_have_names_that_files_can_have() -> None:
    """Slashes are written as %XX, and long names are cut but stay different."""
    assert trace_file("A{a=1/2,on=sev}") == "A{a=1%2F2,on=sev}.jsonl"
    long = [trace_file("A" * 300 + end) for end in "xy"]
    assert long[0] != long[1]
    assert all(len(name) < 255 for name in long)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (FakeTarget(), None),
        (
            FakeTarget(parties=frozenset({Party.OS})),
            (Verdict.NOT_JUDGED, "the target does not provide the party driver"),
        ),
        (FakeTarget(kinds=frozenset()), (Verdict.UNSUPPORTED, "the target has no machine of kind none")),
        (FakeTarget(capabilities=frozenset()), (Verdict.UNSUPPORTED, "the target lacks dram-dump")),
        (
            FakeTarget(parties=frozenset(), kinds=frozenset()),
            (Verdict.NOT_JUDGED, "the target does not provide the party driver"),
        ),
    ],
)
def test_what_is_decided_beforehand(
    catalogue: Catalogue, target: FakeTarget, reason: tuple[Verdict, str] | None
) -> None:
    """A row that the target cannot show is left out before it runs; one that it need not show is not judged."""
    scenario = replace(catalogue.scenarios["EVT-01.1"], needs=frozenset({Capability.DRAM_DUMP}))
    assert precluded(catalogue.rules["EVT-01"], scenario, MachineKind.NONE, target) == reason


def _trace(length: int) -> Trace:
    trace = Trace()
    for step in range(1, length + 1):
        within = step - 1 if step == 3 else None
        trace.record(ServiceCall, "core", within, Tpl.APPLICATION, service=f"Service{step}")
    return trace


def test_a_proof_shows_what_encloses_its_steps() -> None:
    """The steps of a proof are marked, and the calls inside which they happened stand around them."""
    lines = proof(_trace(5), (3,))
    assert [line[:7] for line in lines] == ["      2", ">     3"]


def test_a_proof_without_steps_shows_the_end() -> None:
    """Without steps named, the last entries of the trace stand for the proof."""
    assert [line.split()[0] for line in proof(_trace(9), ())] == ["4", "5", "6", "7", "8", "9"]


def test_a_long_proof_is_cut_in_the_middle() -> None:
    """A proof of many steps keeps its beginning and its end, and says how many lines are left out."""
    lines = proof(_trace(100), range(1, 101))
    assert len(lines) == judge.EXCERPT_LINES + 1
    assert lines[20] == "  … 60 lines left out"


def test_the_row_is_named(trial: Trial, setting: Setting) -> None:
    """A record carries the id of its row."""
    row: Row = setting.rows[ROW]
    assert trial.finish(None, 0).id == row.id
