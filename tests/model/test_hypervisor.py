"""The host: what it sees, and how a search for secrets finds all that lies there and nothing else."""

import hashlib

import pytest

from sevconf.contract.secret import Secret
from sevconf.model.hypervisor import find
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import Dma, Dumped, Finding, HostAct, SecretBorn
from sevconf.vocabulary import LARGE_PAGE, PAGE_SIZE, CBit, Command, Gpa, Gva, MachineKind

#: Bytes of a secret that are looked for as one.
UNIT = 32
SECRET = Secret("S", hashlib.shake_128(b"a secret").digest(5 * UNIT))
PAGE = 8 * LARGE_PAGE


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return an SEV guest, just reset."""
    return ReferenceMachine(MachineKind.SEV, 0)


def _found(*findings: tuple[int, int, int]) -> list[Finding]:
    return [Finding("S", offset, Gpa(gpa), length) for gpa, offset, length in findings]


# Searching bytes


def test_a_whole_secret_is_one_finding() -> None:
    """Units that lie side by side are told as one."""
    run = bytes(100) + SECRET.data + bytes(7)
    assert find(SECRET, [(Gpa(0x1000), run)]) == _found((0x1064, 0, 5 * UNIT))


@pytest.mark.parametrize("unit", range(5))
def test_each_unit_is_found_alone(unit: int) -> None:
    """A fragment of one unit is found, at any place, with its offset in the secret."""
    run = bytes(3) + SECRET.data[unit * UNIT : (unit + 1) * UNIT]
    assert find(SECRET, [(Gpa(0), run)]) == _found((3, unit * UNIT, UNIT))


def test_fragments_are_told_apart() -> None:
    """Units with a gap between them, or out of order, are findings of their own, by address."""
    first, third, fourth = (SECRET.data[at : at + UNIT] for at in (0, 2 * UNIT, 3 * UNIT))
    run = third + fourth + first + b"-" + first
    assert find(SECRET, [(Gpa(0), run)]) == _found(
        (0, 2 * UNIT, 2 * UNIT), (2 * UNIT, 0, UNIT), (3 * UNIT + 1, 0, UNIT)
    )


def test_every_copy_is_found() -> None:
    """The same secret in several runs is found in each."""
    runs = [(Gpa(0x1000), SECRET.data), (Gpa(0x5000), b"x" + SECRET.data)]
    assert find(SECRET, runs) == _found((0x1000, 0, 5 * UNIT), (0x5001, 0, 5 * UNIT))


def test_runs_that_touch_are_merged() -> None:
    """A secret that continues in a neighbouring run is one finding, if the cut is between units."""
    runs = [(Gpa(0x1000 - UNIT), SECRET.data[:UNIT]), (Gpa(0x1000), SECRET.data[UNIT:])]
    assert find(SECRET, runs) == _found((0x1000 - UNIT, 0, 5 * UNIT))


def test_less_than_a_unit_is_no_finding() -> None:
    """Some bytes of a unit may be there by chance."""
    assert find(SECRET, [(Gpa(0), SECRET.data[: UNIT - 1] + b"?" + SECRET.data[UNIT + 1 : 2 * UNIT])]) == []


@pytest.mark.parametrize(("length", "found"), [(UNIT + 16, UNIT + 16), (UNIT + 15, UNIT), (15, 0), (16, 16)])
def test_the_rest_behind_the_last_unit_counts_if_it_is_long_enough(length: int, found: int) -> None:
    """A rest of 16 bytes or more is looked for too; a shorter one might be there by chance."""
    secret = Secret("S", SECRET.data[:length])
    assert find(secret, [(Gpa(0), secret.data)]) == (_found((0, 0, found)) if found else [])


# The host's acts


def test_secrets_come_from_the_seed(machine: ReferenceMachine) -> None:
    """A secret depends on the machine's seed and its name alone, and its making is an act of the scenario."""
    secret = machine.host.secret("one", 100)
    assert secret == ReferenceMachine(MachineKind.SEV, 0).host.secret("one", 100)
    assert len(secret.data) == 100
    assert machine.host.secret("two", 100).data != secret.data
    assert ReferenceMachine(MachineKind.SEV, 1).host.secret("one", 100).data != secret.data
    assert [(e.actor, e.secret, e.length) for e in machine.trace.of(SecretBorn)] == [
        ("scenario", "one", 100),
        ("scenario", "two", 100),
    ]


def test_a_dump_sees_what_lies_in_plaintext_and_nothing_else(machine: ReferenceMachine) -> None:
    """Only what was written through C=0 or by the host is found; ciphertext is not."""
    secret = machine.host.secret("S", 64)
    machine.guest.write(Gva(PAGE), secret.data)
    assert machine.host.search([secret]).findings == ()
    machine.guest.set_cbit(Gva(PAGE), 1, CBit.CLEAR)
    assert machine.host.search([secret]).findings == ()
    machine.guest.write(Gva(PAGE + 8), secret.data)
    machine.host.write(Gpa(PAGE + PAGE_SIZE - 32), secret.data)
    assert machine.host.compromise([secret]).findings == (
        Finding("S", 0, Gpa(PAGE + 8), 64),
        Finding("S", 0, Gpa(PAGE + PAGE_SIZE - 32), 64),
    )
    assert machine.host.read(Gpa(PAGE + 8), 64) == secret.data


def test_a_secret_across_pages_is_found_whole(machine: ReferenceMachine) -> None:
    """Neighbouring pages are searched as one run, wherever a unit is cut."""
    secret = machine.host.secret("S", 3 * PAGE_SIZE)
    machine.host.write(Gpa(PAGE - 5), secret.data)
    assert machine.host.compromise([secret]).findings == (Finding("S", 0, Gpa(PAGE - 5), 3 * PAGE_SIZE),)


def test_several_secrets_are_told_by_name(machine: ReferenceMachine) -> None:
    """Each secret that is looked for is found under its own name."""
    secrets = [machine.host.secret(name, 32) for name in ("one", "two", "three")]
    for place, secret in zip((PAGE, PAGE + 0x5000), secrets, strict=False):
        machine.host.write(Gpa(place), secret.data)
    assert [finding.secret for finding in machine.host.search(secrets).findings] == ["one", "two"]


def test_a_dump_is_an_entry_with_its_kind_and_size(machine: ReferenceMachine) -> None:
    """A control search and a compromise differ in the trace, and both name what DRAM was like."""
    control, attack = machine.host.search([]), machine.host.compromise([])
    assert [dump.attacker for dump in machine.trace.of(Dumped)] == [False, True]
    assert (control.pages, control.sha256) == (attack.pages, attack.sha256)
    assert control.pages == machine.ram.touched_pages
    machine.host.write(Gpa(PAGE), b"x")
    assert machine.host.search([]).pages == control.pages + 1
    assert machine.host.search([]).sha256 != control.sha256


def test_devices_run_on_the_hosts_time(machine: ReferenceMachine) -> None:
    """The host lets devices make as many steps as it is asked for, outside the guest's time."""
    machine.disk.command = Command.BUS_MASTER
    machine.disk.register_write(0, 4, 1)
    before = len(list(machine.trace.of(Dma)))
    machine.host.run_devices(3)
    assert len(list(machine.trace.of(Dma))) == before + 3
    assert machine.trace.last(HostAct) is not None
    assert machine.events.now == 0


def test_wiped_copies_are_gone(machine: ReferenceMachine) -> None:
    """After the host has wiped its copies the medium holds nothing, and is as large as before."""
    size = len(machine.disk.medium)
    machine.disk.medium[:4] = b"data"
    machine.host.wipe_copies()
    assert machine.disk.medium == bytes(size)
    assert [e.what for e in machine.trace.of(HostAct)] == ["detaches the disk image and wipes its own copies"]
