"""What the suite does not blame: a driver that is idle instead of having an exit handler."""

from pathlib import Path

from sevconf.judge import Setting
from sevconf.run import Order, run
from sevconf.subjects.python.target import PythonTarget
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import ExitCode, Verdict
from sevconf.vocabulary import Party, Profile

IDLE = Path(__file__).parent / "drivers" / "idle.py"


def test_an_idle_driver_without_a_handler_conforms() -> None:
    """A disk that is halted whenever no command is out does no DMA after exit, and nobody asks for a handler."""
    catalogue = load(suite_root())
    rules = frozenset(rule.id for rule in catalogue.rules.values() if rule.party is Party.DRIVER)
    target = PythonTarget(f"{IDLE}:Idle")
    try:
        report = run(Setting(catalogue, target, Profile.OVMF_SEV, 0, rules), Order("idle"))
    finally:
        target.close()
    assert report.exit_code() == ExitCode.CONFORMING
    passed = {rule.id for rule in report.rules if rule.verdict is Verdict.PASSED}
    assert {"DRV-01", "DRV-02", "DRV-05", "DRV-07", "DRV-41", "MEM-01", "MEM-02", "EBS-05"} <= passed
