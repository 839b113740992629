"""What a seed draws of the freedoms that UEFI leaves: each takes every value, and none leaves what is legal."""

import random

from sevconf.model.event import TICK
from sevconf.model.iommu.sev import InfoPolicy
from sevconf.model.machine import FIRMWARE_SIZE, SCRATCH, ReferenceMachine
from sevconf.model.memory_map import bottom_up, top_down
from sevconf.model.parts import CONNECTABLE, MOST_IN_HOLE, Parts, Policy, shuffled_policy
from sevconf.subjects.reference import shuffled
from sevconf.trace import Dma, ServiceCall
from sevconf.vocabulary import PAGE_SIZE, EfiStatus, MachineKind, MemoryType

SEEDS = range(60)


def _policies() -> list[Policy]:
    return [shuffled_policy(random.Random(seed)) for seed in SEEDS]  # noqa: S311 -- as the machine does


def _machine(seed: int) -> ReferenceMachine:
    return ReferenceMachine(MachineKind.SEV, seed, Parts(policy=shuffled_policy))


def test_the_default_is_one_of_them() -> None:
    """The reference takes one way; the seed takes that and others."""
    drawn = _policies()
    assert {top_down, bottom_up} < {policy.place for policy in drawn}
    assert {policy.info for policy in drawn} == set(InfoPolicy)
    assert {policy.slot([1, 3, 2]) for policy in drawn} == {1, 2, 3}
    assert {tuple(sorted(policy.connects)) for policy in drawn} == {(), *((one,) for one in CONNECTABLE), CONNECTABLE}
    assert {policy.pace() for policy in drawn} == {0, 1, 2, 3}
    assert all(0 <= policy.phase < TICK for policy in drawn)
    assert len({policy.phase for policy in drawn}) > 1


def test_holes_lie_apart_in_free_memory() -> None:
    """What is in use from the start is the firmware's code between free ranges, and moves no MapKey."""
    for seed in SEEDS:
        machine = _machine(seed)
        holes = [d for d in machine.core.map.descriptors if d.type is MemoryType.BOOT_SERVICES_CODE]
        assert all(FIRMWARE_SIZE <= d.start < d.end <= SCRATCH and d.pages < MOST_IN_HOLE for d in holes)
        assert sum(d.pages for d in machine.core.map.descriptors if d.start < SCRATCH) == SCRATCH // PAGE_SIZE
        assert not len(machine.trace)


def test_a_platform_may_start_other_drivers_first() -> None:
    """They are at work when the disk's driver starts, and a scenario that starts them finds them started."""
    seed = next(seed for seed in SEEDS if len(_machine(seed).policy.connects) == len(CONNECTABLE))
    machine = shuffled().open(MachineKind.SEV, seed)
    assert machine.driver.start() is EfiStatus.SUCCESS
    machine.host.run_devices(3)
    assert {e.device for e in machine.trace.of(Dma)} >= {"device:keyboard", "device:disk"}
    started = [e for e in machine.trace.of(ServiceCall) if e.service == "DriverBinding.Start"]
    assert len(started) == 3
    assert machine.keyboard.start() is machine.network.start() is EfiStatus.SUCCESS
    assert [e for e in machine.trace.of(ServiceCall) if e.service == "DriverBinding.Start"] == started


def test_behind_vt_d_nothing_else_is_started() -> None:
    """Keyboard and network card have no place there."""
    for seed in range(10):
        machine = shuffled().open(MachineKind.VTD_KEEP, seed)
        machine.driver.start()
        assert len([e for e in machine.trace.of(ServiceCall) if e.service == "DriverBinding.Start"]) == 1
