"""
The pytest plugin that runs the rules: pytest-bdd brings the sentences, this brings machines, verdicts and records.

`sevconf run` loads it; so can `pytest -p sevconf.plugin --pyargs sevconf.suite`. What pytest collected and ran is held
against the catalogue: no row gets lost between the two.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytest_bdd.parser import ScenarioTemplate
from pytest_bdd.scenario import scenario_wrapper_template_registry

from sevconf.contract import Machine
from sevconf.errors import SevconfError, SuiteError, UsageError
from sevconf.judge import Setting, Trial, precluded
from sevconf.monitors import Breach
from sevconf.reporting.files import TRACES, write_all
from sevconf.reporting.forms import write_forms
from sevconf.reporting.record import RowRecord, decode_row, encode_row
from sevconf.reporting.report import build
from sevconf.subjects.choices import Choices
from sevconf.suite import Row, load
from sevconf.suite.catalogue import row_id
from sevconf.suite.locate import suite_root
from sevconf.suite.sentences import bind, holders
from sevconf.suite.tags import MEANINGS
from sevconf.verdict import ExitCode, Verdict
from sevconf.vocabulary import MachineKind, Profile

#: Name under which `sevconf run` registers the object that holds its setting.
RUNNER = "sevconf-runner"
#: Name of the property in which a row's record travels.
RECORD = "sevconf-record"
#: Name of the property that tells which row an item is.
ROW = "sevconf-row"

SETTING = pytest.StashKey[Setting]()
RECORDS = pytest.StashKey[dict[str, RowRecord]]()
_ITEM_ROW = pytest.StashKey[Row]()
_TRIAL = pytest.StashKey[Trial]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run."""
    group = parser.getgroup("sevconf", "conformance of UEFI, IOMMU and PCI drivers")
    group.addoption("--sevconf-target", default="reference", metavar="T", help="what to judge (default: reference)")
    group.addoption("--sevconf-device", default="", metavar="D", help="what a driver of kind device is tried on")
    group.addoption(
        "--sevconf-profile",
        default=Profile.OVMF_SEV.value,
        choices=[profile.value for profile in Profile],
        help="whose rules count (default: ovmf-sev)",
    )
    group.addoption("--sevconf-rule", action="append", default=[], metavar="ID", help="run this rule only; repeatable")
    group.addoption("--sevconf-seed", type=int, default=0, metavar="N", help="seed of all randomness (default: 0)")
    group.addoption(
        "--sevconf-timeout", type=float, metavar="S", help="seconds that foreign code may take a scenario (default: 10)"
    )
    group.addoption("--sevconf-report-dir", metavar="D", help="write report.json and its companions there")
    group.addoption("--sevconf-iommu", default="", help="binary IOMMU driver beneath the target")
    group.addoption("--sevconf-era", default=Choices().era, help="firmware era of a binary's platform")
    group.addoption("--sevconf-inject", default="", help="fault to be put into a binary")
    group.addoption("--sevconf-with", action="append", default=[], help="image to start before a binary; repeatable")
    group.addoption("--sevconf-pcd", action="append", default=[], help="TOKEN=VALUE of a binary's build; repeatable")
    group.addoption(
        "--sevconf-traces", action="store_true", help="keep every row's trace in D/traces, not only those of failures"
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read and check the suite, open the target, and register the closed list of tags as markers."""
    try:
        runner = config.pluginmanager.get_plugin(RUNNER)
        setting, modules = (runner.setting, runner.modules) if runner else _prepared(config)
    except SevconfError as error:
        raise pytest.UsageError(str(error)) from error
    for holder in holders(modules):
        config.pluginmanager.register(holder, holder.__name__)
    ids = {**setting.catalogue.rules, **setting.catalogue.scenarios}
    for tag, meaning in {**MEANINGS, **dict.fromkeys(ids, "id")}.items():
        config.addinivalue_line("markers", f"{tag}: {meaning}")
    config.stash[SETTING] = setting
    if not hasattr(config, "workerinput"):
        gatherer = Gatherer(setting)
        config.stash[RECORDS] = gatherer.records
        config.pluginmanager.register(gatherer, "sevconf-gatherer")


def options(choices: Choices) -> list[str]:
    """Return the options that tell another process of pytest what was chosen beside the target."""
    limit = [] if choices.timeout is None else [f"--sevconf-timeout={choices.timeout}"]
    binaries = [
        f"--sevconf-iommu={choices.iommu}",
        f"--sevconf-era={choices.era}",
        f"--sevconf-inject={choices.inject}",
    ]
    binaries += [f"--sevconf-with={image}" for image in choices.beneath]
    binaries += [f"--sevconf-pcd={value}" for value in choices.pcd]
    return [f"--sevconf-device={choices.device}", *limit, *binaries]


def _choices(config: pytest.Config) -> Choices:
    return Choices(
        device=config.getoption("sevconf_device"),
        timeout=config.getoption("sevconf_timeout"),
        iommu=config.getoption("sevconf_iommu"),
        era=config.getoption("sevconf_era"),
        beneath=tuple(config.getoption("sevconf_with")),
        pcd=tuple(config.getoption("sevconf_pcd")),
        inject=config.getoption("sevconf_inject"),
    )


def _prepared(config: pytest.Config) -> tuple[Setting, tuple[ModuleType, ...]]:
    catalogue = load(suite_root())
    modules = bind(catalogue)
    from sevconf.subjects.registry import resolve  # noqa: PLC0415 -- targets load what they need, when they are needed

    chosen = config.getoption("sevconf_rule")
    for rule in chosen:
        if rule not in catalogue.rules:
            raise UsageError(f"expected the id of a rule, not {rule!r}", hint="`sevconf list rules` shows them")
    folder = config.getoption("sevconf_report_dir")
    if config.getoption("sevconf_traces") and not folder:
        raise UsageError("expected --sevconf-report-dir with --sevconf-traces, which keeps traces there")
    setting = Setting(
        catalogue=catalogue,
        target=resolve(config.getoption("sevconf_target"), _choices(config)),
        profile=Profile(config.getoption("sevconf_profile")),
        seed=config.getoption("sevconf_seed"),
        rules=frozenset(chosen or catalogue.rules),
        traces=Path(folder) / TRACES if folder else None,
        all_traces=config.getoption("sevconf_traces"),
    )
    return setting, modules


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the target, unless `sevconf run` lent it."""
    setting = config.stash.get(SETTING, None)
    if setting is not None and not config.pluginmanager.has_plugin(RUNNER):
        setting.target.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every scenario on each of its machine kinds."""
    template = scenario_wrapper_template_registry.get(metafunc.function)
    setting = metafunc.config.stash.get(SETTING, None)
    if template is None or setting is None:
        return
    scenario = setting.catalogue.scenarios[_scenario_id(template, setting)]
    metafunc.fixturenames.append("machine_kind")
    metafunc.parametrize("machine_kind", scenario.kinds, indirect=True, ids=[kind.value for kind in scenario.kinds])


def _scenario_id(template: ScenarioTemplate, setting: Setting) -> str:
    for tag in template.tags:
        if tag in setting.catalogue.scenarios:
            return tag
    raise SuiteError(f"{template.feature.filename}: scenario '{template.name}' is not in the catalogue")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hold what was collected against the catalogue, then keep the rows that are selected, in the catalogue's order."""
    setting = config.stash.get(SETTING, None)
    if setting is None:
        return
    ours = {item.nodeid: _row_of(item, setting) for item in items}
    found = Counter(row for row in ours.values() if row)
    catalogue = setting.catalogue.rows
    if not found:
        return
    wrong = [f"row {row} was not collected" for row in catalogue if row not in found]
    wrong += [f"row {row} was collected {count} times" for row, count in found.items() if count > 1]
    wrong += [f"row {row} is not in the catalogue" for row in found if row not in catalogue]
    if wrong:
        raise pytest.exit.Exception("\n".join(wrong), returncode=ExitCode.ERROR)
    chosen = setting.rows
    gone = [item for item in items if (row := ours[item.nodeid]) and row not in chosen]
    config.hook.pytest_deselected(items=gone)
    order = {row: place for place, row in enumerate(catalogue)}
    items[:] = [item for item in items if item not in set(gone)]
    items.sort(key=lambda item: order.get(ours[item.nodeid], -1))
    for item in items:
        if row := ours[item.nodeid]:
            item.stash[_ITEM_ROW] = chosen[row]
            item.user_properties.append((ROW, row))


def _row_of(item: pytest.Item, setting: Setting) -> str:
    template = scenario_wrapper_template_registry.get(getattr(item, "function", _row_of))
    if template is None or not isinstance(item, pytest.Function):
        return ""
    values: dict[str, Any] = item.callspec.params
    return row_id(_scenario_id(template, setting), values.get("_pytest_bdd_example", {}), values["machine_kind"])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide what the target cannot show before the body runs."""
    row = item.stash.get(_ITEM_ROW, None)
    if row is None:
        return
    setting = item.config.stash[SETTING]
    rule, scenario = setting.catalogue.rules[row.rule], setting.catalogue.scenarios[row.scenario]
    reason = precluded(rule, scenario, row.kind, setting.target)
    if reason is None:
        item.stash[_TRIAL] = Trial(setting, row)
        return
    verdict, words = reason
    item.user_properties.append((RECORD, encode_row(RowRecord(row.id, verdict, observed=words))))
    pytest.skip(f"{verdict}: {words}")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Run a row's body and judge it by what it raised."""
    trial = pyfuncitem.stash.get(_TRIAL, None)
    if trial is None:
        return (yield)
    started = time.perf_counter()
    raised: BaseException | None = None
    try:
        return (yield)
    except BaseException as error:
        raised = error
        raise
    finally:
        record = trial.finish(raised, time.perf_counter() - started)
        pyfuncitem.user_properties.append((RECORD, encode_row(record)))


def pytest_bdd_before_step(request: pytest.FixtureRequest) -> None:
    """Tell the trial which step is about to be taken, so that its record names the one that decided it."""
    trial = request.node.stash.get(_TRIAL, None)
    if trial is not None:
        trial.begin_step()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let go of what a row's steps handed to each other, which pytest-bdd would keep until the session ends."""
    result = yield
    if item.stash.get(_TRIAL, None) is not None:
        del item.stash[_TRIAL]
        manager = getattr(item.session, "_fixturemanager", None)
        made: dict[str, dict[Any, Any]] = getattr(manager, "_arg2node2fixturedefs", {})
        for name in [name for name, places in made.items() if item in places]:
            del made[name][item]
            if not made[name]:
                del made[name]
    return result


class Gatherer:
    """Takes the records out of pytest's reports, wherever they come from, and misses none in the end."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.records: dict[str, RowRecord] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record of a row that is through; what breaks before or after its body is an error of ours."""
        properties: dict[str, Any] = dict(report.user_properties)
        row = properties.get(ROW)
        if row is None:
            return
        if report.failed and report.when != "call":
            lines = str(report.longrepr).splitlines() or [""]
            self.records[row] = RowRecord(row, Verdict.ERROR, observed=f"{report.when} failed: {lines[-1]}")
        elif report.when == "teardown" and RECORD in properties:
            self.records[row] = decode_row(properties[RECORD])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make an error of every row that was selected and did not come back, and write the report if asked to."""
        if not self.records and session.testscollected == 0:
            return
        for row in self.setting.rows:
            lost = "was selected and left no record: the process that ran it died"
            self.records.setdefault(row, RowRecord(row, Verdict.ERROR, observed=lost))
        folder = session.config.getoption("sevconf_report_dir")
        if folder and not session.config.pluginmanager.has_plugin(RUNNER):
            report = build(self.setting.scope, self.records.values())
            write_forms(report, self.setting.catalogue, Path(folder))
            write_all(report, self.records.values(), Path(folder))


@pytest.fixture
def machine_kind(request: pytest.FixtureRequest) -> MachineKind:
    """Return the kind of machine that this row runs on."""
    kind: MachineKind = request.param
    return kind


def _trial(request: pytest.FixtureRequest) -> Trial:
    trial: Trial = request.node.stash[_TRIAL]
    return trial


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Machine:
    """Return the machine of this row, freshly reset; it is closed when the row is judged."""
    return _trial(request).machine


@pytest.fixture
def answer(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Record the answer of an @unspecified rule's row: `answer("yes, once")`."""
    return _trial(request).answer


@pytest.fixture
def monitored(request: pytest.FixtureRequest) -> Callable[[str], tuple[Breach, ...]]:
    """Ask a rule's monitors about the trace so far: `monitored("DRV-01")`."""
    return _trial(request).monitored
