"""IOMMU drivers that meet the same rules in other ways: one that the core signals apart, one that keeps a log."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sevconf.model.iommu.variants import TracingIommu
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.monitors import charge
from sevconf.subjects.facets import DmaFacet, DriverFacet, LoaderFacet
from sevconf.subjects.reference import ReferenceTarget
from sevconf.trace import NotificationBegan, NotificationEnded, party_of
from sevconf.vocabulary import AllocateType, DmaOperation, EfiStatus, EventGroup, MachineKind, MemoryType, Party, Tpl

ROOT = Path(__file__).parents[2]
SUCCESS = EfiStatus.SUCCESS

#: Runs every rule on the tracing driver under profile `uefi`, and prints what is not as on the reference.
PROGRAM = """
import json
from pathlib import Path
from sevconf.judge import Setting
from sevconf.model.iommu.variants import TracingIommu
from sevconf.model.parts import Parts
from sevconf.run import Order, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.vocabulary import Profile

catalogue = load(Path("."))
chosen = frozenset(rule for rule in catalogue.rules if rule[:3] in {"DMA", "MEM", "EBS", "EVT"})
target = ReferenceTarget("tracing", Parts(iommu=TracingIommu))
report = run(Setting(catalogue, target, Profile.UEFI, 0, chosen), Order("tracing"))
counted = [rule for rule in report.rules if not rule.apart]
wrong = [rule.id for rule in counted if rule.breaches or {str(row.verdict) for row in rule.rows} - {"passed"}]
print(json.dumps([wrong, report.exit_code()]))
"""


@pytest.mark.parametrize("tpl", [Tpl.CALLBACK, Tpl.NOTIFY])
def test_the_core_signals_apart(tpl: Tpl) -> None:
    """The teardown runs when every exit handler has returned, whatever their level; nothing is charged."""
    machine = ReferenceTarget().open(MachineKind.SEV, 0)
    machine.setup.iommu_variant("core-signalled")
    machine.setup.driver_handler(tpl)
    assert machine.driver.start() is SUCCESS
    assert machine.driver.submit_write(1, bytes(512)) is SUCCESS
    assert machine.loader.boot() is SUCCESS
    began = [e for e in machine.trace.of(NotificationBegan) if party_of(e.actor) == Party.IOMMU_DRIVER.value]
    exits = {e.step for e in machine.trace.handlers(EventGroup.EXIT_BOOT_SERVICES)}
    ended = [e.step for e in machine.trace.of(NotificationEnded) if e.began in exits]
    assert len(began) == 1
    assert ended
    assert began[0].step > max(ended)
    assert charge(machine.trace, frozenset(Party)) == ()


def test_the_log_has_an_end() -> None:
    """The tracing driver keeps its newest entries only, and none of its acts is charged outside of the exit."""
    machine = ReferenceMachine(MachineKind.SEV, 0, Parts(iommu=TracingIommu))
    dma = DmaFacet(machine)
    _, buffer = machine.core.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1)
    for _ in range(TracingIommu.room):
        mapped = dma.map(DmaOperation.READ, buffer, 100)
        assert dma.unmap(mapped.mapping) is SUCCESS
    iommu = machine.iommu
    assert isinstance(iommu, TracingIommu)
    assert len(iommu.entries) == TracingIommu.room
    assert DriverFacet(machine).start() is SUCCESS
    assert LoaderFacet(machine).boot() is SUCCESS
    assert iommu.room == 0
    assert charge(machine.trace, frozenset(Party)) == ()


def test_the_log_survives_a_lack_of_memory() -> None:
    """Where no entry can be had, mapping goes on without one."""
    machine = ReferenceMachine(MachineKind.SEV, 0, Parts(iommu=TracingIommu))
    iommu = machine.iommu
    assert isinstance(iommu, TracingIommu)
    machine.core.gone = True
    iommu._log()
    assert iommu.entries == []


def test_tracing_passes_under_the_profile_of_the_specification() -> None:
    """Every rule of the specification passes with memory services in Map and Unmap."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout.splitlines()[-1]) == [[], 0], done.stderr
