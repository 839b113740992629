"""The attacker who looks after every step: he finds what a search of all DRAM would, at the price of what changed."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.contract.secret import Form, Secret
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.hypervisor import find
from sevconf.model.lookout import Lookout
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import Exposed, HostAct
from sevconf.vocabulary import PAGE_SIZE, Gpa, Gva, MachineKind

PAGES = 4
SECRETS = (
    Secret("S", hashlib.shake_128(b"a secret").digest(96)),
    Secret("keys", hashlib.shake_128(b"keys").digest(32), Form.REPORTS),
)
_PIECES = st.tuples(st.sampled_from(SECRETS), st.integers(0, 95), st.integers(1, 96)).map(
    lambda drawn: drawn[0].data[drawn[1] : drawn[1] + drawn[2]]
)
_WRITES = st.tuples(
    st.sampled_from(["write_raw", "write_private", "write_host"]),
    st.integers(PAGE_SIZE - 100, PAGE_SIZE + 100) | st.integers(0, (PAGES - 1) * PAGE_SIZE),
    _PIECES | st.just(bytes(64)) | st.just(bytes(PAGE_SIZE)),
)


@given(writes=st.lists(_WRITES, max_size=12))
@settings(max_examples=60, deadline=None)
def test_looking_often_finds_what_one_search_of_all_finds(writes: list[tuple[str, int, bytes]]) -> None:
    """After any writes, through either C-bit or by a device, across pages or over each other."""
    ram = EncryptedRam(PAGES * PAGE_SIZE, bytes(16))
    lookout = Lookout(ram)
    for secret in SECRETS:
        lookout.add(secret)
    for method, at, data in writes:
        getattr(ram, method)(Gpa(at), data)
        runs = [(start, bytes(run)) for start, run in ram.dump()]
        assert lookout.look() == tuple(finding for secret in SECRETS for finding in find(secret, runs))


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return an SEV guest, just reset."""
    return ReferenceMachine(MachineKind.SEV, 0)


def test_what_is_exposed_is_told_right_behind_its_step(machine: ReferenceMachine) -> None:
    """The entry comes between the step that exposes a secret, or hides it, and the next one; silence is no change."""
    machine.host.watch()
    secret = machine.host.secret("S", 64)
    page = Gva(32 << 20)
    exposing = len(machine.trace) + 1
    machine.bus.write("device:probe", page, secret.data)
    machine.guest.load(page, 1)
    machine.guest.load(page, 1)
    hiding = len(machine.trace) + 1
    machine.guest.store(page, bytes(64))
    machine.host.compromise([secret])
    told = list(machine.trace.of(Exposed))
    assert [entry.step for entry in told] == [exposing + 1, hiding + 1]
    assert [len(entry.findings) for entry in told] == [1, 0]


def test_a_machine_that_nobody_watches_tells_nothing(machine: ReferenceMachine) -> None:
    """Without a watcher no page is noted and no entry is written."""
    secret = machine.host.secret("S", 64)
    machine.bus.write("device:probe", 32 << 20, secret.data)
    machine.host.compromise([secret])
    assert machine.ram.changed is None
    assert not list(machine.trace.of(Exposed))
    assert machine.trace.last(HostAct) is None
