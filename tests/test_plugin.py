"""The runner: a suite in miniature through pytest and pytest-bdd, in this process, in workers, and in plain pytest."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_bdd import scenario as bdd_scenario

from sevconf import plugin
from sevconf.errors import SevconfError, SuiteError
from sevconf.judge import Setting
from sevconf.reporting.files import read_report
from sevconf.run import RULES, Order, run
from sevconf.suite import load
from sevconf.verdict import Verdict
from sevconf.vocabulary import MachineKind, Party, Profile
from tests.miniature import FEATURE, STEPS, FakeTarget, plant, rule

#: Every fate of a row, as the end of its Then, and what it comes to.
FATES = {
    "the row is right": Verdict.PASSED,
    "the row is wrong": Verdict.NONCONFORMING,
    "the row is unclear": Verdict.INCONCLUSIVE,
    "the row is absent": Verdict.UNSUPPORTED,
    "the row is failed": Verdict.TARGET_FAILED,
    "the row is asserted": Verdict.ERROR,
    "the row is broken": Verdict.ERROR,
    "the row is blamed on itself": Verdict.ERROR,
}


def _setting(root: Path, target: FakeTarget | None = None) -> Setting:
    catalogue = load(root)
    return Setting(catalogue, target or FakeTarget(), Profile.OVMF_SEV, 0, frozenset(catalogue.rules))


def _verdicts(setting: Setting) -> dict[str, Verdict]:
    return {row.id: row.verdict for row in run(setting, Order("fake")).rows}


def test_every_fate_has_its_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step raises becomes the verdict of its family, through pytest-bdd and pytest."""
    root = plant(tmp_path, monkeypatch, *(rule(end, number=n) for n, end in enumerate(FATES, 1)))
    assert list(_verdicts(_setting(root)).values()) == list(FATES.values())


def test_every_row_runs_once_on_a_machine_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples and machine kinds multiply, each row opens one machine of its kind, and every machine is closed."""
    target = FakeTarget()
    verdicts = _verdicts(_setting(plant(tmp_path, monkeypatch), target))
    assert list(verdicts) == [f"EVT-01.1{{end={end},on={on}}}" for end in ("right", "fine") for on in ("none", "sev")]
    assert [machine.kind for machine in target.opened] == [MachineKind.NONE, MachineKind.SEV] * 2
    assert all(machine.closed for machine in target.opened)


def test_what_the_target_lacks_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows on a missing kind or ability are unsupported, rows on a missing party not judged, and no machine opens."""
    root = plant(
        tmp_path,
        monkeypatch,
        rule(tags="@driver @uefi @T41 @on-vtd-keep"),
        rule(number=2, scenario_tags="@needs-os-loader"),
        rule(number=3, tags="@os @uefi @T41 @on-vtd-keep"),
    )
    target = FakeTarget(parties=frozenset({Party.DRIVER}))
    expected = [Verdict.UNSUPPORTED, Verdict.UNSUPPORTED, Verdict.NOT_JUDGED]
    assert list(_verdicts(_setting(root, target)).values()) == expected
    assert target.opened == []


def test_answers_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unspecified rule has its answer in the report, and no verdict."""
    root = plant(tmp_path, monkeypatch, rule("the answer is once", tags="@driver @unspecified @T41 @on-none"))
    (row,) = run(_setting(root), Order("fake")).rows
    assert (row.verdict, row.answer) == (Verdict.NOT_COUNTED, "once")


def test_a_selection_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rules selected, the others' rows do not run and are not in the report."""
    setting = _setting(plant(tmp_path, monkeypatch, rule(), rule(number=2)))
    report = run(replace(setting, rules=frozenset({"EVT-02"})), Order("fake"))
    assert [row.id for row in report.rows] == ["EVT-02.1{on=none}"]
    assert report.selection == ("EVT-02",)


def test_a_target_that_does_not_start_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that cannot be opened is an error of its row, with the adapter's hint."""
    (row,) = run(_setting(plant(tmp_path, monkeypatch, rule()), FakeTarget(ill="start")), Order("fake")).rows
    assert row.verdict is Verdict.ERROR
    assert row.observed == "fake: no power\nhint: plug it in"


def test_a_row_that_pytest_drops_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If pytest-bdd makes fewer rows than the catalogue has, nothing runs and the lost row is named."""
    setting = _setting(plant(tmp_path, monkeypatch))
    collect = bdd_scenario.__globals__["collect_example_parametrizations"]
    monkeypatch.setitem(
        bdd_scenario.__globals__, "collect_example_parametrizations", lambda scenario: collect(scenario)[:1]
    )
    with pytest.raises(SuiteError) as raised:
        run(setting, Order("fake"))
    assert str(raised.value).splitlines() == [
        "row EVT-01.1{end=fine,on=none} was not collected",
        "row EVT-01.1{end=fine,on=sev} was not collected",
    ]


def test_a_row_that_leaves_no_record_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that was selected and came to no end is in the report, as an error."""
    setting = _setting(plant(tmp_path, monkeypatch))
    monkeypatch.setattr(plugin, "decode_row", lambda _: (_ for _ in ()).throw(SevconfError("lost")))
    with pytest.raises(SevconfError, match="the run broke off: SevconfError: lost"):
        run(setting, Order("fake"))
    gatherer = plugin.Gatherer(setting)
    session = type("Session", (), {"testscollected": 4, "config": _NoFolder})
    gatherer.pytest_sessionfinish(session)  # type: ignore[arg-type]
    assert {record.verdict for record in gatherer.records.values()} == {Verdict.ERROR}
    assert len(gatherer.records) == 4


class _NoFolder:
    """A configuration without a folder for reports."""

    @staticmethod
    def getoption(name: str) -> None:
        """Know of no option."""


def test_fixtures_of_steps_that_break_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks before a row's body is an error of ours, and is in the report."""
    broken = STEPS + "\n\nimport pytest\n\n\n@pytest.fixture(autouse=True)\ndef breaks():\n    raise OSError('disk')\n"
    (row,) = run(_setting(plant(tmp_path, monkeypatch, rule(), steps=broken)), Order("fake")).rows
    assert row.verdict is Verdict.ERROR
    assert row.observed.startswith("setup failed")


def test_an_interrupt_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt stops the run, closes the machine and leaves no report."""
    target = FakeTarget()
    stops = STEPS.replace("        raise RAISES[end]", "        raise KeyboardInterrupt")
    root = plant(tmp_path, monkeypatch, rule("the row is wrong"), steps=stops)
    with pytest.raises(KeyboardInterrupt):
        run(_setting(root, target), Order("fake", folder=tmp_path / "report"))
    assert target.opened[0].closed
    assert not (tmp_path / "report").exists()


def test_what_steps_made_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step hands to later ones is freed with its row, not kept until the run ends."""
    steps = STEPS + (
        "\n\nimport weakref\n\n\nclass Big:\n    alive = weakref.WeakSet()\n\n\n"
        '@given("a big thing", target_fixture="big")\ndef a_big_thing(machine):\n    machine.act("grows")\n'
        "    assert len(Big.alive) <= 1, len(Big.alive)\n    big = Big()\n    Big.alive.add(big)\n    return big\n"
    )
    text = FEATURE.replace("Given a machine", "Given a big thing")
    assert set(_verdicts(_setting(plant(tmp_path, monkeypatch, text, steps=steps))).values()) == {Verdict.PASSED}


def test_the_surroundings_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of pytest in the environment or in the folder around change nothing."""
    setting = _setting(plant(tmp_path / "suite", monkeypatch))
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    (tmp_path / "conftest.py").write_text("raise OSError\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    assert set(_verdicts(setting).values()) == {Verdict.PASSED}
    assert os.environ["PYTEST_ADDOPTS"] == "--collect-only"


def _sevconf(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from tests.miniature import install; install(); from sevconf.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_workers_make_the_same_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is the same, byte for byte, whether rows ran in one process or in several."""
    plant(tmp_path, monkeypatch, FEATURE, *(rule(end, number=n) for n, end in enumerate(FATES, 2)))
    for folder, workers in (("one", "0"), ("two", "2")):
        done = _sevconf("run", "--target", "fake", "--report-dir", str(tmp_path / folder), "--traces", "-n", workers)
        assert done.returncode == 3, done.stderr
    for name in ("report.json", "conformance.md", "junit.xml"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    kept = [sorted(path.name for path in (tmp_path / folder / "traces").iterdir()) for folder in ("one", "two")]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 12


def test_a_worker_that_dies_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a worker dies, its row is an error of ours, and all others are judged."""
    plant(tmp_path, monkeypatch, FEATURE, rule("the worker dies", number=2))
    done = _sevconf("run", "--target", "fake", "-n", "2", "--report-dir", str(tmp_path / "report"))
    report = read_report(tmp_path / "report")
    assert done.returncode == 3, done.stderr
    assert {row.id: row.verdict for row in report.rows if row.verdict is not Verdict.PASSED} == {
        "EVT-02.1{on=none}": Verdict.ERROR
    }


def test_plain_pytest_runs_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the plugin loaded, plain pytest runs the rules, reports them and writes the report."""
    plant(tmp_path / "suite", monkeypatch, rule(), rule("the row is wrong", number=2), rule(number=3, tags=_OS))
    folder = tmp_path / "report"
    command = [sys.executable, "-m", "pytest", "-p", "sevconf.plugin", "-c", os.devnull, "--strict-markers"]
    command += [str(RULES), f"--rootdir={tmp_path}", "--sevconf-target=fake", f"--sevconf-report-dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed, 1 skipped" in done.stdout
    totals = json.loads((folder / "report.json").read_text())["totals"]["scenarios"]
    assert (totals["passed"], totals["nonconforming"], totals["not-judged"]) == (1, 1, 1)


_OS = "@os @uefi @T41 @on-none"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sevconf-rule=EVT-99"], "expected the id of a rule, not 'EVT-99'"),
        (["--sevconf-traces"], "expected --sevconf-report-dir with --sevconf-traces"),
        (["--sevconf-target=nothing"], "expected the name of a target, not 'nothing'"),
    ],
)
def test_plain_pytest_refuses_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """Wrong options of the plugin are usage errors of pytest."""
    plant(tmp_path, monkeypatch)
    command = [sys.executable, "-m", "pytest", "-p", "sevconf.plugin", "-c", os.devnull, str(RULES), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr
