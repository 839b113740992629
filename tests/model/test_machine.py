"""The whole machine: the same seed is the same machine, another seed another one, and its parts fit together."""

import dataclasses
from functools import partial

import pytest

from sevconf.contract.disk import BLOCK
from sevconf.model.devices.disk import Disk
from sevconf.model.iommu.none import NoIommu
from sevconf.model.iommu.sev import InfoPolicy, SevIommu
from sevconf.model.machine import CBIT_POSITIONS, RAM_SIZE, SCRATCH, ReferenceMachine
from sevconf.model.parts import Parts, shuffled_policy
from sevconf.trace import Dma, EventCreated, GuestAccess
from sevconf.trace.codec import digest
from sevconf.vocabulary import PAGE_SIZE, CBit, Command, EfiStatus, Gpa, Gva, MachineKind, Tpl

KINDS = (MachineKind.NONE, MachineKind.SEV)
SHUFFLED = Parts(policy=shuffled_policy)
SUCCESS = EfiStatus.SUCCESS


def _story(kind: MachineKind, seed: int, parts: Parts | None = None) -> ReferenceMachine:
    """Play a whole life: start, write, read, leave a write in flight, hand over, be compromised."""
    machine = ReferenceMachine(kind, seed, parts)
    secret = machine.host.secret("S", 2 * BLOCK)
    with machine.recorder.acting(machine.driver_actor):
        assert machine.driver.start() is SUCCESS
        assert machine.driver.write_blocks(1, secret.data) is SUCCESS
        assert machine.driver.read_blocks(1, 2) == (SUCCESS, secret.data)
        machine.driver.submit_write(3, secret.data)  # type: ignore[attr-defined]
    with machine.recorder.acting(machine.loader.actor):
        assert machine.loader.boot() is SUCCESS
    machine.host.run_devices(5)
    machine.host.compromise([secret])
    return machine


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
@pytest.mark.parametrize("parts", [None, SHUFFLED], ids=["reference", "shuffled"])
def test_the_same_seed_is_the_same_trace(kind: MachineKind, parts: Parts | None) -> None:
    """A whole story leaves the same trace every time, byte for byte, and the dump's hash is in it."""
    assert digest(_story(kind, 5, parts).trace) == digest(_story(kind, 5, parts).trace)


def test_other_seeds_are_other_machines() -> None:
    """Keys differ from seed to seed, and with them the ciphertext and the trace of a story."""
    machines = [_story(MachineKind.SEV, seed) for seed in range(8)]
    assert len({digest(machine.trace) for machine in machines}) == 8
    pages = []
    for seed in range(8):
        machine = ReferenceMachine(MachineKind.SEV, seed)
        machine.guest.write(Gva(SCRATCH), bytes(PAGE_SIZE))
        pages.append(machine.ram.read_host(Gpa(SCRATCH), PAGE_SIZE))
    assert len(set(pages)) == 8


def test_both_positions_of_the_c_bit_occur() -> None:
    """Some seeds have the C-bit at 47 and some at 51, and firmware and OS agree on it."""
    positions = set()
    for seed in range(16):
        machine = ReferenceMachine(MachineKind.SEV, seed)
        position = machine.mmu.tables.cbit_position
        machine.switch_page_tables(CBit.SET)
        assert machine.mmu.tables.cbit_position == position
        positions.add(position)
    assert positions == set(CBIT_POSITIONS)


def test_a_shuffled_machine_draws_every_freedom() -> None:
    """Over some seeds the order in groups, the place of pages and the use of records all vary."""
    orders, places, policies = set(), set(), set()
    for seed in range(12):
        machine = ReferenceMachine(MachineKind.NONE, seed, SHUFFLED)
        ran: list[str] = []
        for name in "abc":
            machine.core.create_event_ex(0x200, Tpl.CALLBACK, partial(ran.append, name), "a-group")
        machine.events.signal_group("a-group")
        orders.add("".join(ran))
        places.add(machine.core.allocate_pool(machine.core.map.descriptors[0].type, 64))
        policies.add(machine.policy.info)
    assert len(orders) > 3
    assert len(places) > 6
    assert policies == set(InfoPolicy)


@pytest.mark.parametrize(("kind", "cbit"), [(MachineKind.NONE, CBit.CLEAR), (MachineKind.SEV, CBit.SET)])
def test_ram_is_mapped_one_to_one(kind: MachineKind, cbit: CBit) -> None:
    """Firmware maps all RAM at its own address, encrypted on an SEV guest and as it lies elsewhere."""
    machine = ReferenceMachine(kind, 0)
    for gva in (0, SCRATCH, RAM_SIZE - 1):
        translation = machine.mmu.translate(Gva(gva))
        assert translation is not None
        assert (translation.gpa(Gva(gva)), translation.cbit) == (gva, cbit)
    assert machine.mmu.translate(Gva(RAM_SIZE)) is None


def test_the_kind_decides_the_iommu() -> None:
    """A machine without IOMMU has a bare root bridge; an SEV guest its driver, started at the first use of PciIo."""
    assert isinstance(ReferenceMachine(MachineKind.NONE, 0).iommu, NoIommu)
    machine = ReferenceMachine(MachineKind.SEV, 0)
    assert list(machine.trace) == []
    machine.iommu_handler_tpl = Tpl.NOTIFY
    machine.pci_io(machine.disk)
    assert isinstance(machine.iommu, SevIommu)
    created = list(machine.trace.of(EventCreated))
    assert [(event.notify_tpl, event.group is None) for event in created] == [(Tpl.CALLBACK, True), (Tpl.NOTIFY, False)]


def test_the_driver_is_made_once_by_itself() -> None:
    """The driver is built at its first use, as its own act, under the name of its class."""
    machine = ReferenceMachine(MachineKind.SEV, 0)
    assert machine.driver is machine.driver
    assert machine.driver_actor == "driver:DiskDriver"


def test_a_driver_without_a_name_is_told_as_one() -> None:
    """A factory without a name of its own makes an actor all the same."""

    class Factory:
        """Makes no driver."""

        def __call__(self, *_: object) -> None:
            """Make none."""

    machine = ReferenceMachine(MachineKind.NONE, 0, Parts(driver=Factory()))  # type: ignore[arg-type]
    assert machine.driver_actor == "driver:driver"


def test_devices_step_when_time_passes_and_notifications_end() -> None:
    """The disk makes one step a stall, one a register access, and one behind each notification."""
    machine = ReferenceMachine(MachineKind.NONE, 0)
    machine.disk.command = Command.BUS_MASTER
    machine.disk.register_write(0, 4, 1)

    def polls() -> int:
        return len(list(machine.trace.of(Dma)))

    before = polls()
    machine.core.stall(1)
    assert polls() == before + 1
    machine.core.signal_event(machine.core.create_event(0x200, Tpl.CALLBACK, lambda: None)[1])
    assert polls() == before + 2
    machine.disk.register_read(0, 4)
    assert polls() == before + 3


def test_room_for_page_tables_is_limited() -> None:
    """Firmware that needs more page tables than its part of RAM holds says so."""
    machine = ReferenceMachine(MachineKind.SEV, 0)

    def switch_again_and_again() -> None:
        for _ in range(300):
            machine.switch_page_tables(CBit.SET)

    with pytest.raises(MemoryError, match="room for page tables is used up"):
        switch_again_and_again()


def test_any_part_can_be_exchanged() -> None:
    """A machine is built from the parts that it is given, and each is used."""
    used = []

    class OtherDisk(Disk):
        """A disk that is another class."""

        def step(self) -> None:
            """Make a step, and note it."""
            used.append(self)
            super().step()

    machine = ReferenceMachine(MachineKind.SEV, 0, dataclasses.replace(Parts(), disk=OtherDisk))
    machine.core.stall(1)
    assert used == [machine.disk]


def test_what_firmware_does_leaves_no_access_in_the_trace() -> None:
    """The trace begins empty: what firmware did before is not part of a run."""
    assert not list(ReferenceMachine(MachineKind.SEV, 0).trace.of(GuestAccess))
