"""
One run: a target, a choice of rules, pytest underneath, a report in the end.

pytest runs in this process, shielded from whatever lies around: no configuration file, no conftest, no plugin but the
ones that are needed, nothing of its own on the terminal.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest
from pytest_bdd.feature import features

from sevconf import plugin
from sevconf.deviations import Deviation, apply
from sevconf.errors import SevconfError, SuiteError
from sevconf.judge import Setting
from sevconf.jury.deviations import hold, load
from sevconf.reporting.files import write_all
from sevconf.reporting.forms import write_forms
from sevconf.reporting.record import RowRecord, decode_row
from sevconf.reporting.report import Report, build
from sevconf.subjects.choices import Choices
from sevconf.suite.sentences import bind

#: The module that pytest collects.
RULES = Path(__file__).parent / "suite" / "test_rules.py"
#: pytest's own plugins that a run has no use for.
_IDLE = (
    *("terminal", "cacheprovider", "warnings", "doctest", "junitxml", "pastebin", "stepwise", "faulthandler"),
    *("logging", "unraisableexception", "threadexception"),
)


class Progress(Protocol):
    """Whoever shows that the run goes on."""

    def update(self, n_steps: int, current_item: Any = None) -> None:
        """Count rows that are through; `current_item` says which, and what it came to."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """
    What a command line asks for beyond the setting.

    `workers` is how many processes run rows, 0 for this one alone; `deviations` hold as of `today`.
    """

    target: str
    workers: int = 0
    folder: Path | None = None
    choices: Choices = field(default_factory=Choices)
    deviations: tuple[Deviation, ...] = ()
    today: date = date.min


class _Runner:
    """Lends its setting to the plugin, and takes the records back when the session is over."""

    def __init__(self, setting: Setting, modules: tuple[ModuleType, ...], progress: Progress | None) -> None:
        self.setting = setting
        self.modules = modules
        self.records: dict[str, RowRecord] = {}
        self.stopped: BaseException | None = None
        self.uncollected = ""
        self._progress = progress

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a row that is through."""
        if self._progress is not None and report.when == "teardown":
            told: dict[str, Any] = dict(report.user_properties)
            record = decode_row(told[plugin.RECORD]) if plugin.RECORD in told else None
            self._progress.update(1, f"{record.verdict:<14} {record.id}" if record else report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep why the rules could not be collected."""
        if report.failed:
            self.uncollected = str(report.longrepr)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Keep what stopped the session: an interrupt, or a collection that does not equal the catalogue."""
        self.stopped = excinfo.value

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        """Keep what broke the session, and keep it off the terminal."""
        self.stopped = excinfo.value
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Take the records."""
        self.records = session.config.stash[plugin.RECORDS]


def run(setting: Setting, order: Order, progress: Progress | None = None) -> Report:
    """
    Run the selected rules on the target, and write the report if a folder is given.

    Raises:
        SevconfError: the run could not be brought to an end.
        KeyboardInterrupt: somebody stopped it.

    """
    runner = _Runner(setting, bind(setting.catalogue), progress)
    _forget_earlier_runs()
    with _shielded():
        pytest.main(_arguments(setting, order), plugins=[_Named(runner)])
    if runner.uncollected:
        raise SuiteError(f"pytest could not collect the rules:\n{runner.uncollected}")
    if isinstance(runner.stopped, KeyboardInterrupt):
        raise runner.stopped
    if isinstance(runner.stopped, pytest.exit.Exception):
        raise SuiteError(runner.stopped.msg)
    if runner.stopped is not None:
        raise SevconfError(f"the run broke off: {type(runner.stopped).__name__}: {runner.stopped}") from runner.stopped
    if runner.records.keys() != setting.rows.keys():
        missing = ", ".join(sorted(setting.rows.keys() ^ runner.records.keys())[:5])
        raise SuiteError(f"expected {len(setting.rows)} rows, not {len(runner.records)}; among them {missing}")
    target, today = setting.target.identity.name, datetime.now(UTC).date()
    held = hold(runner.records.values(), setting.catalogue, target, setting.rules, entries=load(), today=today)
    report = apply(build(setting.scope, held.records, held.problems), order.deviations, order.today)
    if order.folder is not None:
        write_forms(report, setting.catalogue, order.folder)
        write_all(report, held.records, order.folder)
    return report


def _forget_earlier_runs() -> None:
    """Let pytest and pytest-bdd read the suite anew: it may be another one, or have changed."""
    features.clear()
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == str(RULES):
            del sys.modules[name]


class _Named:
    """Registers the runner under its name, which pytest.main cannot."""

    def __init__(self, runner: _Runner) -> None:
        self.runner = runner

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Register it before the plugin looks for it."""
        config.pluginmanager.register(self.runner, plugin.RUNNER)
        config.option.tbstyle = "no"


def _arguments(setting: Setting, order: Order) -> list[str]:
    arguments = [str(RULES), "-c", os.devnull, f"--rootdir={RULES.parent}", "--noconftest", "--import-mode=importlib"]
    arguments += ["--strict-markers", "-p", "pytest_bdd.plugin", "-p", plugin.__name__]
    arguments += [part for name in _IDLE for part in ("-p", f"no:{name}")]
    arguments += [f"--sevconf-target={order.target}", f"--sevconf-profile={setting.profile.value}"]
    arguments += [f"--sevconf-seed={setting.seed}"]
    arguments += plugin.options(order.choices)
    if setting.rules < setting.catalogue.rules.keys():
        arguments += [f"--sevconf-rule={rule}" for rule in sorted(setting.rules)]
    if setting.traces is not None:
        arguments += [f"--sevconf-report-dir={setting.traces.parent}"]
        arguments += ["--sevconf-traces"] if setting.all_traces else []
    if order.workers:
        arguments += ["-p", "xdist.plugin", "-n", str(order.workers), "--dist=worksteal"]
    return arguments


@contextmanager
def _shielded() -> Iterator[None]:
    """Keep the caller's settings of pytest out, here and in workers."""
    kept = {name: os.environ.pop(name, None) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")}
    kept["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
