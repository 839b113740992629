"""Sentences on the compromised host, which other folders use too."""

import pytest
from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.monitors import control, judge
from sevconf.trace import Dumped
from sevconf.vocabulary import PAGE_SIZE, CBit, Party

from .values import Scene, require_no_leak

#: Bytes of a secret whose size does not matter.
SIZE = 512


@pytest.fixture
def scene() -> Scene:
    """Return what the sentences of this scenario hand on."""
    return Scene()


def put_secret(machine: Machine, scene: Scene, writer: str) -> None:
    """Let one of the three writers write a fresh secret to a fresh page."""
    cbit = CBit.CLEAR if writer == "the guest, C-bit clear" else CBit.SET
    page = machine.memory.pages(cbit=cbit)
    scene.secrets.append(machine.host.secret("the secret", SIZE))
    if writer == "a device":
        machine.host.write(machine.memory.gpa(page), scene.secret.data)
    else:
        machine.memory.write(page, scene.secret.data)
        control(machine.memory.read(page, SIZE) == scene.secret.data, "the guest does not read back what it wrote")
    scene.notes["page"] = page


@given(parsers.re(r"a secret in a page, written by (?P<writer>the guest, C-bit set|the guest, C-bit clear|a device)"))
def secret_in_page(machine: Machine, scene: Scene, writer: str) -> None:
    """Guest memory: a page with a secret."""
    put_secret(machine, scene, writer)


@given("a secret of 8192 bytes that a device wrote across three pages")
def secret_across_pages(machine: Machine, scene: Scene) -> None:
    """Host: DRAM that a device wrote."""
    pages = machine.memory.pages(3)
    scene.secrets.append(machine.host.secret("the secret", 2 * PAGE_SIZE))
    machine.host.write(type(machine.memory.gpa(pages))(machine.memory.gpa(pages) + 100), scene.secret.data)


@given("the host has destroyed all its own copies")
def host_wiped(machine: Machine) -> None:
    """Host: its own copies."""
    machine.host.wipe_copies()


@when("the hypervisor is compromised", target_fixture="dump")
def compromised(machine: Machine, scene: Scene) -> Dumped:
    """Host: the moment of compromise."""
    return machine.host.compromise(scene.secrets)


@then(parsers.re(r"the attacker finds (?P<finds>the secret|only ciphertext) in that page"))
def attacker_finds(machine: Machine, scene: Scene, dump: Dumped, finds: str) -> None:
    """Dump: one page."""
    page = machine.memory.gpa(scene.notes["page"])
    there = [f for f in dump.findings if page <= f.gpa < page + PAGE_SIZE]
    whole = bool(there) and there[0].length == len(scene.secret.data)
    judge(
        whole if finds == "the secret" else not there,
        expected=f"the attacker finds {finds} at {page:#x}",
        observed=f"the attacker finds {sum(f.length for f in there)} of {len(scene.secret.data)} bytes of it there",
        culprit="memory",
        steps=(dump.step,),
    )


@then("the attacker finds the whole secret in one piece")
def attacker_finds_all(scene: Scene, dump: Dumped) -> None:
    """Dump: across pages."""
    lengths = [f.length for f in dump.findings]
    judge(
        lengths == [len(scene.secret.data)],
        expected=f"one finding of {len(scene.secret.data)} bytes",
        observed=f"findings of {lengths} bytes",
        culprit="memory",
        steps=(dump.step,),
    )


@then("the attacker finds no secret")
def attacker_finds_nothing(machine: Machine, scene: Scene, dump: Dumped) -> None:
    """Dump: the whole of DRAM."""
    require_no_leak(machine, scene, dump, Party.IOMMU_DRIVER)
