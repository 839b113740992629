"""Sentences on an attacker who dumps all of DRAM after every step of a story."""

from pytest_bdd import given, then

from sevconf.contract import Machine
from sevconf.monitors import control, exit_window, judge, leaks_at_any_step
from sevconf.trace import Exposed
from sevconf.vocabulary import Party

from .values import Scene, newest_actor


@given("an attacker who dumps all of DRAM after every step")
def watched(machine: Machine) -> None:
    """Host: compromised for the whole story."""
    machine.host.watch()


def require_nothing_exposed(machine: Machine, scene: Scene, whom: Party) -> None:
    """Judge the story step by step, whose secrets the attacker saw while they were on their way."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    machine.host.compromise(scene.secrets)  # behind the last step
    seen = {finding.secret for entry in machine.trace.of(Exposed) for finding in entry.findings}
    control(seen, "no secret was ever seen in DRAM, so its absence proves nothing")
    unseen = ", ".join(secret.name for secret in scene.secrets if secret.name not in seen)
    control(not unseen, f"{unseen} was never seen in DRAM, so its absence proves nothing")
    found = next(leaks_at_any_step(machine.trace), None)
    judge(
        found is None,
        expected="at every step, secrets lie in plaintext only where a device reaches them through a live mapping",
        observed="" if found is None else found.observed,
        culprit=newest_actor(machine.trace, whom),
        steps=() if found is None else found.steps,
    )


@then("at no step did the driver leave a secret where the host can read it")
def driver_discreet(machine: Machine, scene: Scene) -> None:
    """DRAM: what the driver put there."""
    require_nothing_exposed(machine, scene, Party.DRIVER)


@then("at no step did the IOMMU driver leave a secret where the host can read it")
def iommu_driver_discreet(machine: Machine, scene: Scene) -> None:
    """DRAM: what the IOMMU driver put there."""
    require_nothing_exposed(machine, scene, Party.IOMMU_DRIVER)
