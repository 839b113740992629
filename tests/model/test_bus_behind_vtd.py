"""The bus: what devices read and write, with and without a VT-d unit, and the device that nobody drives."""

import pytest

from sevconf.model.devices.intruder import Intruder
from sevconf.model.machine import RAM_SIZE, ReferenceMachine
from sevconf.trace import Dma, IommuFault
from sevconf.vocabulary import Gpa, MachineKind

A = "device:a"


@pytest.mark.parametrize("kind", list(MachineKind))
def test_outside_ram_reads_are_ones_and_writes_are_lost(kind: MachineKind) -> None:
    """Without translation an access outside RAM passes, and nothing is there."""
    machine = ReferenceMachine(kind, 1)
    assert machine.bus.read(A, RAM_SIZE - 4, 8) == b"\xff" * 8
    machine.bus.write(A, RAM_SIZE - 4, b"12345678")
    assert machine.ram.read_host(Gpa(RAM_SIZE - 4), 4) == bytes(4)
    machine.bus.write(A, RAM_SIZE - 4, b"1234")
    assert machine.bus.read(A, RAM_SIZE - 4, 4) == b"1234"


def test_a_refused_access_moves_nothing() -> None:
    """Behind VT-d a refused read returns ones, a refused write is lost, and both are faults and no DMA."""
    machine = ReferenceMachine(MachineKind.VTD_KEEP, 1)
    assert machine.iommu.actor == "iommu-driver:vtd"
    machine.bus.write(A, 0x200000, b"1234")
    assert machine.bus.read(A, 0x200000, 4) == b"\xff" * 4
    assert machine.ram.read_host(Gpa(0x200000), 4) == bytes(4)
    assert [(e.actor, e.write) for e in machine.trace.of(IommuFault)] == [(A, True), (A, False)]
    assert not list(machine.trace.of(Dma))


def test_an_intruder_reads_at_every_step() -> None:
    """It acts by itself whenever devices make progress, and an IOMMU refuses it."""
    machine = ReferenceMachine(MachineKind.VTD_OPEN, 1)
    machine.intruders.append(Intruder(machine.bus, 0x200000, 4))
    machine.host.run_devices(2)
    assert [e.actor for e in machine.trace.of(Dma)] == ["device:intruder"] * 2
    assert machine.iommu.actor == "iommu-driver:vtd"
    passed = len(list(machine.trace.of(Dma)))
    machine.host.run_devices(2)
    assert len(list(machine.trace.of(Dma))) == passed
    assert len(list(machine.trace.of(IommuFault))) >= 2
