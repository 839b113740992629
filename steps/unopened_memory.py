"""
Sentences on DMA where nothing was opened, on dumps while a mapping is live, and on runs that blame nobody.

They stand apart from `threat_model` because they need a bus master, and look at all monitors at once.
"""

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.monitors import MONITORS, control, exit_window, judge, leaks_after_life
from sevconf.trace import Dma, Dumped, IommuFault
from sevconf.vocabulary import DmaOperation

from .dma_mapping import map_buffer, read_bus, take_buffer
from .dma_memory import BLOCKS, LBA
from .values import DISK, Scene, moved

#: Bytes of the client's secret.
SIZE = 512


@then("the attacker finds the secret where the bus master reaches it, and nobody is blamed")
def live_is_no_leak(machine: Machine, scene: Scene, dump: Dumped) -> None:
    """Dump: a live mapping."""
    mapped = scene.notes["mapped"]
    start, end = mapped.device_address, mapped.device_address + mapped.length
    there = sum(f.length for f in dump.findings if start <= f.gpa < end)
    judge(
        there == len(scene.secret.data),
        expected="all that went through a live mapping lies in the clear where the bus master reaches it",
        observed=f"{there} of {len(scene.secret.data)} bytes do",
        culprit="memory",
        steps=(dump.step,),
    )
    blamed = list(leaks_after_life(machine.trace, dump))
    judge(
        not blamed,
        expected="no byte of a live mapping is a leak",
        observed=blamed[0].observed if blamed else "",
        culprit="memory",
        steps=blamed[0].steps if blamed else (),
    )


@given(
    parsers.re(
        r"a client's secret in memory that (?P<past>no mapping ever had|was mapped as a common buffer|"
        r"is mapped as BusMasterRead by a bounce)$"
    )
)
def unopened_secret(machine: Machine, scene: Scene, past: str) -> None:
    """Guest memory: private bytes that a device has no business with."""
    common = past == "was mapped as a common buffer"
    operation = DmaOperation.COMMON_BUFFER if common else DmaOperation.READ
    buffer = take_buffer(machine, operation, 1)
    scene.notes["buffer"] = buffer
    scene.secrets.append(machine.host.secret("the client's", SIZE))
    machine.memory.write(buffer, scene.secret.data)
    if past != "no mapping ever had":
        mapped = map_buffer(machine, scene, operation, buffer, SIZE)
        seen = read_bus(machine, mapped.device_address, SIZE)
        control(seen == scene.secret.data, "the bus master reads no secret where it may")
        if common:
            control(not machine.dma.unmap(mapped.mapping).is_error, "Unmap failed")
        else:
            control(mapped.device_address != buffer, "the mapping has no bounce")
    control(machine.memory.read(buffer, SIZE) == scene.secret.data, "the client does not read its own secret")


@when("a bus master reads it at its HostAddress")
def read_unopened(machine: Machine, scene: Scene) -> None:
    """DMA: a read outside every mapping."""
    scene.notes["seen"] = machine.dma.device_read(scene.notes["buffer"], SIZE)


@when("a bus master writes 512 bytes at its HostAddress")
def write_unopened(machine: Machine, scene: Scene) -> None:
    """DMA: a write outside every mapping."""
    scene.notes["written"] = machine.host.secret("the bus master's", SIZE).data
    machine.dma.device_write(scene.notes["buffer"], scene.notes["written"])


@when("a bus master copies it, as it lies, to another page that no mapping ever had")
def carry_unopened(machine: Machine, scene: Scene) -> None:
    """DMA: ciphertext put back at another address."""
    seen = read_bus(machine, scene.notes["buffer"], SIZE)
    other = take_buffer(machine, DmaOperation.READ, 1)
    machine.memory.write(other, machine.host.secret("another of the client's", SIZE).data)
    machine.dma.device_write(other, seen)
    scene.notes.update(buffer=other, written=seen)


def require_silence(machine: Machine) -> None:
    """Judge that the DMA took place and nothing faulted."""
    faults = list(machine.trace.of(IommuFault))
    control(machine.trace.last(Dma) or faults, "the bus master did nothing")
    judge(
        not faults,
        expected="a wrong DMA passes in silence under SEV",
        observed=f"{len(faults)} accesses faulted",
        culprit="memory",
        steps=tuple(fault.step for fault in faults),
    )


@then("it has read only ciphertext, and no DMA faulted")
def only_ciphertext(machine: Machine, scene: Scene) -> None:
    """DMA: what a device without a key sees."""
    require_silence(machine)
    seen = scene.notes["seen"] or b""
    blocks = [place for place in range(0, SIZE, 16) if scene.secret.data[place : place + 16] in seen]
    judge(
        not blocks,
        expected="a device reads ciphertext where nothing was opened for it",
        observed=f"it reads {len(blocks) * 16} bytes of the secret",
        culprit="memory",
        steps=(len(machine.trace),),
    )


@then("the client reads garbage there, and no DMA faulted")
def only_garbage(machine: Machine, scene: Scene) -> None:
    """Guest memory: what a device without a key wrote."""
    require_silence(machine)
    now = machine.memory.read(scene.notes["buffer"], SIZE) or b""
    written = scene.notes["written"]
    plain = [place for place in range(0, SIZE, 16) if now[place : place + 16] == written[place : place + 16]]
    kept = [place for place in range(0, SIZE, 16) if now[place : place + 16] == scene.secret.data[place : place + 16]]
    judge(
        not plain and not kept,
        expected="what a device writes where nothing was opened for it is garbage to the guest",
        observed=f"{len(plain) * 16} bytes are what it wrote, and {len(kept) * 16} what was there",
        culprit="memory",
        steps=(len(machine.trace),),
    )


@then("no monitor of any basis blames anybody")
def nobody_blamed(machine: Machine, scene: Scene) -> None:
    """All monitors: whichever rules a profile counts."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    control(moved(machine.trace, DISK), "the disk did no DMA")
    control(machine.driver.medium(LBA, BLOCKS) == scene.secret.data, "the blocks did not reach the disk")
    found = [breach for monitor in MONITORS for breach in monitor.breaches(machine.trace)]
    judge(
        not found,
        expected="one driver keeps all rules that hold in every run, whatever their basis",
        observed=f"{found[0].rule}: {found[0].observed}" if found else "",
        culprit="memory",
        steps=found[0].steps if found else (),
    )
