"""What the explorer finds, and that the reduced search finds what the full one does."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sevconf.cli import main
from sevconf.errors import ForeignFailure, UsageError
from sevconf.explore import run
from sevconf.explore.designs import DESIGNS, Design
from sevconf.explore.plan import IOMMUS, Plan
from sevconf.explore.replay import read, replay, scenario
from sevconf.explore.search import Exploration, Limits, engine, explore, stage

EXAMPLES = Path(__file__).parents[2] / "examples"

#: What the thread's designs break under all orders.
BROKEN = {
    "teardown in the exit handler, no deferral": {"EBS-06", "EBS-09"},
    "teardown deferred to TPL_CALLBACK": set(),
    "teardown deferred to TPL_CALLBACK, pooled pages": set(),
    "private event at TPL_NOTIFY": {"EBS-06", "EBS-09"},
    "two deferring drivers": {"DRV-02", "EBS-09"},
    "IOMMU drivers signalled by the core, behind all": set(),
    "the same, beside a deferring driver": set(),
    "teardown in BeforeExitBootServices": {"EBS-09", "EBS-12"},
    "a core that runs each member as it is queued": {"DRV-02", "EBS-09", "EVT-01"},
}

#: Machines whose bug is one of order: drivers, IOMMU driver, and what must be found though no order is named.
OF_ORDER = {
    "dispatches-as-it-queues": ("disk", "sev", "EVT-01"),
    "last-in-first-out": ("disk disk", "none", "EVT-02"),
    "lowest-level-first": ("disk disk", "none", "EVT-02"),
    "create-event-first": ("disk group-disk", "none", "EVT-01"),
    "forgets-create-event-ex": ("disk group-disk", "none", "EVT-03"),
    "drops-signal-in-handler": ("disk", "sev", "EVT-04"),
    "nests-signal-in-handler": ("disk", "sev", "EVT-04"),
    "signals-iommu-group-first": ("disk", "core-signalled", "DRV-02"),
    "tears-down-at-once": ("disk", "sev", "EBS-06"),
    "defers-at-notify": ("disk", "sev", "EBS-06"),
    "tears-down-in-before-group": ("disk", "sev", "EBS-12"),
    "museum-destroys-mappings": ("disk", "sev", "EBS-06"),
    "scrubs-in-handler": ("disk", "sev", "EBS-09"),
    "vtd-keep-tears-down-at-once": ("disk", "vtd-keep", "EBS-06"),
    "vtd-keep-revokes-at-once": ("disk", "vtd-keep", "IOM-05"),
    "vtd-open-blocks-first": ("disk", "vtd-open", "IOM-05"),
    "halts-too-late": ("disk", "sev", "DRV-02"),
    "halts-keyboard-too-late": ("keyboard", "sev", "DRV-02"),
    "halts-nic-too-late": ("nic", "sev", "DRV-02"),
    "halts-own-device-too-late": ("device", "sev", "DRV-02"),
    "does-not-halt": ("disk", "sev", "DRV-01"),
    "halts-only-at-rest": ("disk", "sev", "DRV-01"),
    "leaves-keyboard-running": ("keyboard", "sev", "DRV-01"),
    "leaves-nic-running": ("nic", "sev", "DRV-01"),
    "leaves-own-device-running": ("device", "sev", "DRV-01"),
    "unmaps-rings-at-exit": ("nic", "sev", "DRV-09"),
}


def _explored(plan: Plan, limits: Limits | None = None, workers: int = 1) -> Exploration:
    stage.cache_clear()
    with engine(plan, workers) as playing:
        return explore(plan, playing, limits)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_designs_break_what_they_are_known_to_break(design: Design) -> None:
    """Each design of the thread breaks these rules in some order, and no others in any."""
    found = _explored(design.plan)
    assert found.complete
    assert set(found.counterexamples) == BROKEN[design.name]


@pytest.mark.parametrize("fault", OF_ORDER)
def test_bugs_of_order_are_found_in_no_named_order(fault: str) -> None:
    """A machine with a bug of order is caught, and its counterexample breaks the same rule on a fixed order."""
    drivers, iommu, rule = OF_ORDER[fault]
    found = _explored(Plan(tuple(drivers.split()), iommu, fault, steps=1))
    assert rule in found.counterexamples
    outcome = stage(found.plan).play(found.counterexamples[rule].choices, found.touches)
    again = replay(found.plan, _to_the_end(found, outcome.choices))
    assert rule in {violation.rule for violation in again.violations}


def _to_the_end(found: Exploration, choices: tuple[str, ...]) -> tuple[str, ...]:
    while (outcome := stage(found.plan).play(choices, found.touches)).options:
        choices = (*choices, outcome.options[0])
    return outcome.acts


@pytest.mark.parametrize("iommu", IOMMUS)
@pytest.mark.parametrize("drivers", ["disk group-disk", "keyboard", "nic device"])
def test_the_reference_breaks_nothing(iommu: str, drivers: str) -> None:
    """No order breaks a rule on a machine that conforms, so what is found elsewhere is found for its bug."""
    found = _explored(Plan(tuple(drivers.split()), iommu, steps=1))
    assert (found.complete, found.counterexamples, found.failures) == (True, {}, {})


@pytest.mark.parametrize(
    "plan",
    [
        Plan(("disk",), steps=2),
        Plan(("disk", "disk"), steps=0),
        Plan(("disk", "deferring-disk"), steps=0),
        Plan(("deferring-disk",), steps=2),
        Plan(("twice-deferring-disk",), steps=1),
        Plan(("disk",), fault="tears-down-at-once", steps=2),
        Plan(("disk", "disk"), fault="defers-at-notify", steps=0),
        Plan(("disk",), fault="defers-at-notify", steps=1),
        Plan(("disk",), iommu="core-signalled", steps=1),
        Plan(("disk",), fault="tears-down-in-before-group", steps=1),
        Plan(("disk",), iommu="vtd-keep", fault="vtd-keep-revokes-at-once", steps=1),
    ],
    ids=str,
)
def test_the_reduced_search_finds_what_the_full_one_finds(plan: Plan) -> None:
    """The same rules break, in counterexamples that need as many notifications and DMA steps, in fewer runs."""
    full = Plan(plan.drivers, plan.iommu, plan.fault, plan.steps, reduced=False)
    reduced, whole = _explored(plan), _explored(full)
    assert set(reduced.counterexamples) == set(whole.counterexamples)
    assert reduced.complete
    assert whole.complete
    assert reduced.runs < whole.runs


def test_a_counterexample_is_a_scenario_that_fails(tmp_path: Path) -> None:
    """What the command writes can be read again, and breaks its rule again; its trace is there."""
    ran = CliRunner().invoke(
        main, ["explore", "--drivers", "disk", "deferring-disk", "--steps", "1", "--report-dir", str(tmp_path)]
    )
    assert ran.exit_code == 1
    assert "2 rules are broken within these bounds" in ran.output
    assert "NOT broken" not in ran.output
    for rule in ("DRV-02", "EBS-09"):
        assert (tmp_path / f"{rule}.jsonl").stat().st_size
        again = CliRunner().invoke(main, ["explore", "--replay", str(tmp_path / f"{rule}.feature")])
        assert again.exit_code == 1
        assert again.output.startswith(f"{rule} is broken: ")


def test_the_scenario_of_a_run_that_conforms_holds(tmp_path: Path) -> None:
    """A replay does not fail by itself: the same acts on the reference break nothing."""
    found = _explored(Plan(("disk", "deferring-disk"), fault="tears-down-at-once", steps=0))
    acts = _to_the_end(found, found.counterexamples["EBS-06"].choices)
    plan = Plan(("disk", "disk"), steps=0)
    ordinary = _explored(plan)
    acts = _to_the_end(ordinary, ())
    path = tmp_path / "a.feature"
    path.write_text(scenario(plan, "EBS-06", "one", acts, stage(plan).owners), encoding="utf-8")
    assert read(path)[2] == acts
    ran = CliRunner().invoke(main, ["explore", "--replay", str(path)])
    assert (ran.exit_code, ran.output) == (0, "EBS-06 holds\n")


def test_a_file_that_is_no_counterexample_is_refused(tmp_path: Path) -> None:
    """Replaying another file is wrong use."""
    path = tmp_path / "a.feature"
    path.write_text("Feature: A\n  Scenario: B\n    Given nothing\n", encoding="utf-8")
    ran = CliRunner().invoke(main, ["explore", "--replay", str(path)])
    assert ran.exit_code == 2
    assert "no counterexample" in ran.output


def test_json_has_bounds_and_figures() -> None:
    """A program reads verdict, bounds and figures."""
    ran = CliRunner().invoke(main, ["explore", "--drivers", "disk", "--steps", "0", "--json"])
    told = json.loads(ran.output)
    assert ran.exit_code == 0
    assert told["complete"] is True
    assert "up to 0 DMA steps" in told["bounds"]
    assert told["orders"] == 8
    assert told["states"] > 0


def test_a_search_that_is_cut_short_is_inconclusive() -> None:
    """What was not explored is not called safe."""
    ran = CliRunner().invoke(main, ["explore", "--drivers", "disk disk", "--steps", "1", "--max-runs", "1"])
    assert ran.exit_code == 4
    assert "inconclusive" in ran.output


@pytest.mark.parametrize("names", [[], ["dsk"], ["disk:"], ["--iommu", "amd", "disk"], ["--fault", "none", "disk"]])
def test_wrong_names_are_wrong_use(names: list[str]) -> None:
    """Whatever does not exist ends in one line and exit code 2."""
    ran = CliRunner().invoke(main, ["explore", *names])
    assert ran.exit_code == 2
    assert "Traceback" not in ran.output


def test_foreign_drivers_are_explored() -> None:
    """A vendor's conforming driver holds beside a built-in one; one that does not halt is caught."""
    right = _explored(Plan(("disk", f"{EXAMPLES}/right_block_driver.py:RightBlockDriver"), steps=1))
    assert (right.complete, right.counterexamples, right.failures) == (True, {}, {})
    wrong = _explored(Plan((f"{EXAMPLES}/does_not_halt.py:DoesNotHalt",), steps=1))
    assert "DRV-01" in wrong.counterexamples
    assert wrong.counterexamples["DRV-01"].violation.culprit.endswith("DoesNotHalt")


@pytest.mark.parametrize(
    ("does", "how"),
    [
        ("raise ValueError('no')", "raised ValueError: no"),
        ("import os; os._exit(7)", "ended its process"),
        ("while True: pass", "does not return"),
    ],
)
@pytest.mark.parametrize("method", ["halt", "start"])
def test_foreign_failures_are_told(
    does: str, how: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Foreign code that raises, exits or hangs is a verdict, and no crash."""
    monkeypatch.setattr(run, "PATIENCE", 3.0)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    path = tmp_path / "bad.py"
    base = "from right_block_driver import RightBlockDriver\n\n\nclass Bad(RightBlockDriver):\n"
    path.write_text(f"{base}    def {method}(self):\n        {does}\n", encoding="utf-8")
    plan = Plan((f"{path}:Bad",), steps=0)
    if method == "start":
        with pytest.raises(ForeignFailure, match=how):
            _explored(plan)
    else:
        found = _explored(plan)
        assert found.failures
        assert all(how in failure for failure in found.failures)


def test_foreign_iommu_drivers_are_refused() -> None:
    """Only drivers of devices are explored; another role is wrong use."""
    with pytest.raises(UsageError, match="expected a driver"):
        _explored(Plan((f"{EXAMPLES}/right_os_loader.py:RightOsLoader",)))
