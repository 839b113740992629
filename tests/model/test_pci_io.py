"""PciIo: each call goes to the IOMMU driver below it, and both stand in the trace."""

import pytest

from sevconf.contract.disk import DiskRegister
from sevconf.contract.driver import MappingToken
from sevconf.errors import BrokenContract
from sevconf.model.machine import ReferenceMachine
from sevconf.model.pci_io import PciIo
from sevconf.trace import DeviceRegister, MappingEnded, MappingMade, ServiceCall
from sevconf.vocabulary import PAGE_SIZE, AllocateType, DmaOperation, EfiStatus, Gva, MachineKind, MemoryType

DATA = MemoryType.BOOT_SERVICES_DATA
KINDS = (MachineKind.NONE, MachineKind.SEV)
SUCCESS, INVALID = EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER
_BELOW = {MachineKind.NONE: "pci:root-bridge", MachineKind.SEV: "iommu-driver:sev"}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.value)
def machine(request: pytest.FixtureRequest) -> ReferenceMachine:
    """Return a machine of each kind, just reset."""
    return ReferenceMachine(request.param, 0)


@pytest.fixture
def pci_io(machine: ReferenceMachine) -> PciIo:
    """Return the disk's PciIo."""
    return machine.pci_io(machine.disk)


def _calls(machine: ReferenceMachine, part: str) -> list[ServiceCall]:
    return [call for call in machine.trace.of(ServiceCall) if call.service.endswith(f".{part}")]


def test_each_service_is_a_call_inside_a_call(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """The driver calls PciIo, that the root bridge, that the IOMMU driver, and what this does is inside all three."""
    with machine.recorder.acting("driver:a"):
        _, host = pci_io.allocate_buffer(DATA, 1)
        mapped = pci_io.map(DmaOperation.COMMON_BUFFER, host, 16)
        assert pci_io.unmap(mapped.mapping) is SUCCESS
        assert pci_io.free_buffer(1, host) is SUCCESS
    for part in ("AllocateBuffer", "Map", "Unmap", "FreeBuffer"):
        outer, bridge, inner = _calls(machine, part)
        assert (outer.service, outer.actor) == (f"PciIo.{part}", "driver:a")
        assert (bridge.service, bridge.actor, bridge.within) == (f"RootBridgeIo.{part}", "pci", outer.step)
        assert (inner.service, inner.actor, inner.within) == (f"IoMmu.{part}", "pci:root-bridge", bridge.step)
    (allocation, *_) = (
        c for c in machine.trace.calls("AllocatePages") if c.within == _calls(machine, "AllocateBuffer")[2].step
    )
    assert allocation.actor == _BELOW[machine.kind]


def test_mappings_have_names_and_owners(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """A live mapping is named, for its bus master and for whoever asked; its end names it again."""
    _, host = machine.core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)
    with machine.recorder.acting("driver:a"):
        tokens = [pci_io.map(operation, host, 512).mapping for operation in (DmaOperation.READ, DmaOperation.WRITE)]
        pci_io.unmap(tokens[1])
        pci_io.unmap(tokens[0])
    made = list(machine.trace.of(MappingMade))
    assert [(m.mapping, m.owner, m.bus_master, int(m.host), m.length) for m in made] == [
        ("M1", "driver:a", "device:disk", int(host), 512),
        ("M2", "driver:a", "device:disk", int(host), 512),
    ]
    assert [m.operation for m in made] == [DmaOperation.READ, DmaOperation.WRITE]
    assert [e.mapping for e in machine.trace.of(MappingEnded)] == ["M2", "M1"]
    assert [dict(call.arguments)["mapping"] for call in _calls(machine, "Unmap")] == [
        "M2",
        "M2",
        "M2",
        "M1",
        "M1",
        "M1",
    ]


def test_a_token_that_never_was_one_is_told_by_its_value(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """Unmap of what Map never returned has the token's number in the trace, and ends nothing."""
    assert pci_io.unmap(MappingToken(0x1234)) is INVALID
    assert {dict(call.arguments)["mapping"] for call in _calls(machine, "Unmap")} == {"0x1234"}
    assert list(machine.trace.of(MappingEnded)) == []


def test_a_refused_map_makes_no_mapping() -> None:
    """Only a Map that succeeded leaves a live mapping in the trace."""
    machine = ReferenceMachine(MachineKind.SEV, 0)
    mapped = machine.pci_io(machine.disk).map(DmaOperation.COMMON_BUFFER, Gva(0x20_0000), PAGE_SIZE)
    assert (mapped.status, mapped.mapping) == (INVALID, 0)
    assert list(machine.trace.of(MappingMade)) == []


def test_an_operation_that_is_none_breaks_the_contract(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """A driver that passes something else for the operation is told so by its name, before anything is mapped."""
    words = r"^driver:a: passes 'BusMasterRead' where a DmaOperation belongs, while it was asked to call Map$"
    with machine.recorder.acting("driver:a"), pytest.raises(BrokenContract, match=words):
        pci_io.map("BusMasterRead", Gva(0x20_0000), 1)  # type: ignore[arg-type]
    assert _calls(machine, "Map") == []


def test_registers_are_reached_by_offset_and_width(machine: ReferenceMachine, pci_io: PciIo) -> None:
    """Mem.Read and Mem.Write reach the device's registers, as acts of the driver."""
    with machine.recorder.acting("driver:a"):
        assert pci_io.mem_write(DiskRegister.RING_ENTRIES, 4, 8) is SUCCESS
        assert pci_io.mem_read(DiskRegister.RING_ENTRIES, 4) == (SUCCESS, 8)
    assert [(e.actor, e.register, e.value, e.write) for e in machine.trace.of(DeviceRegister)] == [
        ("driver:a", "RING_ENTRIES", 8, True),
        ("driver:a", "RING_ENTRIES", 8, False),
    ]


@pytest.mark.parametrize(("offset", "width"), [(0x02, 4), (0x100, 4), (0x00, 8), (0x08, 4), (-4, 4)])
def test_what_is_no_register_is_refused(pci_io: PciIo, offset: int, width: int) -> None:
    """An offset or width that fits no register is EFI_INVALID_PARAMETER."""
    assert pci_io.mem_read(offset, width) == (INVALID, 0)
    assert pci_io.mem_write(offset, width, 1) is INVALID
