"""
Sentences on what the host can read when the machine is handed over.

They stand apart from `exit_boot_services` because they look at the page tables of all RAM, and at operations by their
names at the IOMMU protocol.
"""

from pytest_bdd import given, parsers, then

from sevconf.contract import Machine
from sevconf.monitors import control, exit_window, judge, lives
from sevconf.trace import CBitChanged, Dumped, MappingEnded, party_of
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, Party

from .dma_mapping import map_buffer, move_secret, take_buffer
from .values import OPERATION, Scene, newest_actor

#: Bytes of a secret whose size does not matter.
SIZE = 4096


@then("the C-bit is clear on no page but those that the platform declares")
def only_declared_open(machine: Machine) -> None:
    """Page tables: the firmware's, of all RAM."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    own = (e for e in machine.trace.of(CBitChanged) if party_of(e.actor) == Party.IOMMU_DRIVER.value)
    control(any(e.cbit is CBit.CLEAR for e in own), "the IOMMU driver never opened a page")
    declared = machine.memory.declared_shared()
    opened = [page for page in machine.memory.shared_pages() if page not in declared]
    judge(
        not opened,
        expected=f"no page is open to the host but the {len(declared)} that the platform declares",
        observed=f"{len(opened)} others are, the first at {opened[0]:#x}" if opened else "",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(entry.step for entry in machine.trace.of(MappingEnded)),
    )


@then("no secret lies in a page that it declares")
def declared_pages_empty(machine: Machine, scene: Scene) -> None:
    """Dump: pages that stay shared."""
    declared = machine.memory.declared_shared()
    dump = machine.host.compromise(scene.secrets)
    found = [f for f in dump.findings if any(page - f.length < f.gpa < page + PAGE_SIZE for page in declared)]
    judge(
        not found,
        expected="declared pages hold no driver's data",
        observed=f"{found[0].length} bytes of {found[0].secret} lie at {found[0].gpa:#x}" if found else "",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(dump.step,),
    )


@given("an IOMMU driver that opens all RAM at exit")
def opening_iommu(machine: Machine) -> None:
    """Machine: the IOMMU driver that is expected to show the limit."""
    machine.setup.opening_iommu()


@given(
    parsers.re(
        r"a secret in a client's memory that (?P<past>no mapping ever had|was mapped and unmapped), which a dump does "
        r"not find"
    )
)
def secret_kept(machine: Machine, scene: Scene, past: str) -> None:
    """Guest memory: private data, before the machine is handed over."""
    buffer = take_buffer(machine, DmaOperation.READ, 1)
    scene.secrets.append(machine.host.secret("the secret", SIZE))
    machine.memory.write(buffer, scene.secret.data)
    mapped = map_buffer(machine, scene, DmaOperation.READ, buffer, 16)
    if past == "no mapping ever had":
        scene.notes["buffer"] = take_buffer(machine, DmaOperation.READ, 1)
        machine.memory.write(scene.notes["buffer"], scene.secret.data)
    control(not machine.dma.unmap(mapped.mapping).is_error, "Unmap failed")
    control(not machine.host.search(scene.secrets).findings, "the secret lay in plaintext before")


@then("the attacker finds the secret in all of the client's memory")
def all_decrypted(machine: Machine, scene: Scene, dump: Dumped) -> None:
    """Dump: memory that was private until the machine was handed over."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    page = scene.notes["buffer"]
    there = sum(f.length for f in dump.findings if page <= f.gpa < page + SIZE)
    judge(
        there == SIZE,
        expected="all that the guest ever wrote lies in plaintext when all RAM is open",
        observed=f"{there} of {SIZE} bytes of the secret do",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(dump.step,),
    )


@given(
    parsers.re(
        r"a device with DUAL_ADDRESS_CYCLE (?P<enabled>enabled|disabled), and a live (?P<operation>\w+) mapping"
    ),
    converters={"operation": OPERATION},
)
def wide_mapping(machine: Machine, scene: Scene, enabled: str, operation: DmaOperation) -> None:
    """DMA: a mapping by one of the IOMMU protocol's six operations."""
    control(not machine.dma.dual_address_cycle(enabled=enabled == "enabled").is_error, "Attributes failed")
    move_secret(machine, scene, operation, SIZE)


@then(parsers.re(r"the IOMMU driver was asked for (?P<asked>\w+), and that mapping is not live any more"))
def wide_mapping_ended(machine: Machine, asked: str) -> None:
    """Teardown: by the name of the operation at the IOMMU protocol."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    call = machine.trace.calls("IoMmu.Map")[-1]
    control(dict(call.arguments).get("operation") == asked, f"it was asked for {dict(call.arguments)}")
    judge(
        not lives(machine.trace).live,
        expected="every mapping is ended before ExitBootServices returns, whatever its operation",
        observed=f"the one of {asked}, asked for at step {call.step}, is live still",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(call.step,),
    )
