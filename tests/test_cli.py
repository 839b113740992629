"""The command line: what it prints, and how it ends."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import sevconf.run
from sevconf import __version__
from sevconf.cli import main
from tests.miniature import FEATURE, STEPS, FakeTarget, plant, rule


def _sevconf(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a suite that the fake target passes."""
    return plant(tmp_path / "suite", monkeypatch)


@pytest.mark.parametrize(
    ("end", "tags", "code"),
    [
        ("the row is right", "@driver @uefi", 0),
        ("the row is wrong", "@driver @uefi", 1),
        ("the row is failed", "@driver @uefi", 1),
        ("the row is broken", "@driver @uefi", 3),
        ("the row is unclear", "@driver @uefi", 4),
        ("the row is wrong", "@driver @advisory", 0),
        ("the row is wrong", "@driver @proposal", 0),
        ("the row is wrong", "@driver @uefi @since-2.10", 0),
        ("the row is broken", "@driver @advisory", 3),
    ],
)
def test_the_exit_code_says_what_a_run_comes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, tags: str, code: int
) -> None:
    """Beside a rule that passes, another one decides the exit code, if it counts."""
    plant(tmp_path, monkeypatch, FEATURE, rule(end, number=2, tags=f"{tags} @T42 @on-none"))
    done = _sevconf("run", "--target", "fake")
    assert done.exit_code == code, done.output
    assert f"(exit code {code})" in done.stdout.splitlines()[-1]


def test_nothing_passed_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in which everything was left out shows nothing."""
    plant(tmp_path, monkeypatch, rule(tags="@driver @uefi @T41 @on-vtd-keep"))
    assert _sevconf("run", "--target", "fake").exit_code == 4


def test_a_profile_decides_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same finding counts under one profile and stands apart under another."""
    plant(tmp_path, monkeypatch, FEATURE, rule("the row is wrong", number=2, tags="@driver @beyond-uefi @T42 @on-none"))
    assert _sevconf("run", "-t", "fake").exit_code == 1
    assert _sevconf("run", "-t", "fake", "--profile", "uefi").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--rule", "evt-1"), "error: expected the id of a rule, not 'evt-1'\nhint: did you mean EVT-01?"),
        (
            ("run", "--rule", "XXX"),
            "error: expected the id of a rule, not 'XXX'\nhint: `sevconf list rules` shows them",
        ),
        (("run", "--target", "nothing"), "error: expected the name of a target, not 'nothing'\nhint: `sevconf list"),
        (("run", "--traces"), "error: expected --report-dir with --traces\nhint: traces are kept"),
        (("run", "--report-dir", "/dev/null/x"), "error: expected a folder to write to: "),
        (("run", "--profile", "mine"), "Invalid value for '--profile': 'mine' is not one of"),
        (("run", "-n", "-1"), "Invalid value for '-n'"),
        (("smoke", "--target", "nothing"), "error: expected the name of a target"),
        (("list", "things"), "Invalid value for"),
        (("report", "/nowhere"), "does not exist"),
        (("nonsense",), "No such command 'nonsense'"),
    ],
)
@pytest.mark.usefixtures("suite")
def test_wrong_use_is_told_in_words(arguments: tuple[str, ...], message: str) -> None:
    """A command line that asks for what there is not ends with 2, a message and a hint, and no traceback."""
    done = _sevconf(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_wrong_suite_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite with a fault ends with 3, naming the scenario, before anything runs."""
    plant(tmp_path, monkeypatch, rule("the row is right").replace("      Then the row is right\n", ""))
    done = _sevconf("run", "--target", "fake")
    assert done.exit_code == 3
    assert "features/events/f0.feature:9: scenario 'It ends': has no Then, and so asserts nothing" in done.stderr


@pytest.mark.parametrize(
    ("command", "target", "code", "message"),
    [
        ("run", "fake-smoke", 3, "error: smoke test of fake-smoke: no answer\nhint: try again"),
        ("smoke", "fake-smoke", 3, "error: smoke test of fake-smoke: no answer\nhint: try again"),
        (
            "smoke",
            "fake-foreign-smoke",
            1,
            "target failed: driver:fake: raised ValueError, while it was asked to start",
        ),
    ],
)
@pytest.mark.usefixtures("suite")
def test_without_smoke_nothing_is_judged(command: str, target: str, code: int, message: str) -> None:
    """If the smoke test fails by an error of ours, nothing is judged; the exit code says whose fault it was."""
    done = _sevconf(command, "--target", target)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr


@pytest.mark.usefixtures("suite")
def test_a_target_that_fails_its_smoke_test_is_judged_and_never_conforms() -> None:
    """If foreign code fails the smoke test, the rules tell more, and the exit code is 1 whatever they find."""
    done = _sevconf("run", "--target", "fake-foreign-smoke")
    assert done.exit_code == 1
    assert "smoke test failed: driver:fake: raised ValueError, while it was asked to start" in done.stderr
    assert "Totals" in done.stdout


@pytest.mark.usefixtures("suite")
def test_a_smoke_test_that_passes() -> None:
    """A smoke test that passes says so."""
    done = _sevconf("smoke", "--target", "fake")
    assert (done.exit_code, done.stdout) == (0, "fake: the smoke test passed\n")


@pytest.mark.usefixtures("suite")
def test_a_bug_of_ours_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody expected ends with 3, not with the 1 of a finding."""
    monkeypatch.setattr(sevconf.run, "run", lambda *_: 1 // 0)
    done = _sevconf("run", "--target", "fake")
    assert done.exit_code == 3
    assert "ZeroDivisionError" in done.stderr
    assert "this is a bug in sevconf" in done.stderr


def test_an_interrupt_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was stopped ends with 3 and says that there is no report."""
    stops = STEPS.replace("        raise RAISES[end]", "        raise KeyboardInterrupt")
    plant(tmp_path, monkeypatch, rule("the row is wrong"), steps=stops)
    done = _sevconf("run", "--target", "fake")
    assert (done.exit_code, done.stderr) == (3, "error: stopped before the end: there is no report\n")


@pytest.mark.usefixtures("suite")
def test_the_target_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target is closed when the run is over, and also when it broke off."""
    closed: list[str] = []
    monkeypatch.setattr(FakeTarget, "close", lambda target: closed.append(target.name))
    _sevconf("run", "--target", "fake")
    _sevconf("run", "--target", "fake-smoke")
    assert closed == ["fake", "fake-smoke"]


@pytest.mark.usefixtures("suite")
def test_a_report_is_printed_written_and_printed_again(tmp_path: Path) -> None:
    """What `run` prints is what `report` prints from the saved file, as tables and as JSON."""
    folder = str(tmp_path / "report")
    run = _sevconf("run", "--target", "fake", "--report-dir", folder, "--traces")
    assert _sevconf("report", folder).stdout == run.stdout
    saved = (tmp_path / "report" / "report.json").read_text()
    assert _sevconf("report", f"{folder}/report.json", "--json").stdout == saved
    assert _sevconf("run", "--target", "fake", "--json").stdout == saved
    assert len(list((tmp_path / "report" / "traces").iterdir())) == 4


def test_a_cut_report_is_wrong_use(tmp_path: Path) -> None:
    """A report that is cut short is refused with 2."""
    (tmp_path / "report.json").write_text('{"schema": ')
    done = _sevconf("report", str(tmp_path))
    assert done.exit_code == 2
    assert "it is cut short" in done.stderr


def test_reports_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compare` ends with 1 if something that passed no longer does, and with 0 if not."""
    root = plant(tmp_path / "suite", monkeypatch, rule())
    _sevconf("run", "--target", "fake", "--report-dir", str(tmp_path / "a"))
    (root / "features" / "events" / "f0.feature").write_text(rule("the row is wrong"))
    _sevconf("run", "--target", "fake", "--report-dir", str(tmp_path / "b"))
    assert _sevconf("compare", str(tmp_path / "a"), str(tmp_path / "a")).exit_code == 0
    assert _sevconf("compare", str(tmp_path / "b"), str(tmp_path / "a")).exit_code == 0
    done = _sevconf("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.exit_code == 1
    assert "3 that passed no longer do" in done.stdout


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("rules", {"rule": "EVT-01", "judges": "driver", "claims": ["T41"], "on": ["none", "sev"], "scenarios": 4}),
        ("claims", {"claim": "T01", "rules": []}),
        ("scenarios", {"id": "EVT-01.1{end=right,on=none}", "title": "It ends as it is told", "on": "none"}),
        ("targets", {"target": "fake", "is": "does what it is told"}),
    ],
)
@pytest.mark.usefixtures("suite")
def test_lists(what: str, first: dict[str, object]) -> None:
    """What there is can be listed, as a table and as JSON."""
    listed = json.loads(_sevconf("list", what, "--json").stdout)
    assert first.items() <= listed[0].items()
    table = _sevconf("list", what)
    assert table.exit_code == 0
    assert str(next(iter(first.values()))) in table.stdout


def test_faults_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines with one bug are listed with the rules that catch them."""
    party = type("Party", (), {"value": "core"})
    fields = {"name": "lifo", "bug": "newest first", "party": party, "catches": ("EVT-01",)}
    told = {"collateral": (("EVT-02", "order"),), "upstream": "a/b#1", "fixed_in": "a/b 2"}
    fault = type("Fault", (), {**fields, **told})
    monkeypatch.setattr("sevconf.faults.CATALOGUE", {"lifo": fault}, raising=False)
    listed = json.loads(_sevconf("list", "faults", "--json").stdout)
    assert [fault for fault in listed if "fault" in fault] == [
        {
            "fault": "lifo",
            "bug": "newest first",
            "party": "core",
            "caught by": ["EVT-01"],
            "also": ["EVT-02 (order)"],
            "upstream": "a/b#1",
            "fixed in": "a/b 2",
        }
    ]
    [injected] = (fault for fault in listed if fault.get("fault to --inject") == "frees-before-sealing")
    assert (injected["party"], injected["caught by"]) == ("iommu-driver", ["DMA-17"])


def test_help_is_quick() -> None:
    """`--help` loads nothing that only a run needs."""
    code = (
        "import sys; from sevconf.cli import main; main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 2
    assert not {"pytest", "numpy", "tabulate", "gherkin"} & set(done.stdout.replace("'", " ").split())


def test_the_module_is_the_command() -> None:
    """`python -m sevconf` is `sevconf`."""
    command = [sys.executable, "-m", "sevconf", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"sevconf, version {__version__}\n"
