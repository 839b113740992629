"""
The minimum that shows that a target can be judged at all, before any judgement.

On every kind of machine that the target has, the machine opens and leaves a trace, and no foreign code raises, hangs or
dies. On one of them at least the whole story holds: the driver starts, and a block that is written through it lies on
the medium and reads back, or a key that is pressed comes through it, or a frame does, both ways, or its own device
works; the OS loader takes the machine over, and an exit handler really ran, if there is one. A core without a loader is
left by the suite itself. What fails on some kinds only is the rules' business, and they say more about it than a smoke
test can.
"""

from collections.abc import Iterator

from sevconf.contract import Capability, EventSpec, Machine, Target
from sevconf.contract.disk import BLOCK
from sevconf.errors import CannotStart, ForeignFailure
from sevconf.trace import Dma, EventCreated, party_of
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_SIGNAL_EXIT_BOOT_SERVICES, EventGroup, MachineKind, Party, Tpl

#: Seed of the machines.
_SEED = 0
#: Where the block goes, and what is in it.
_LBA = 5
_CONTENT = bytes(range(256)) * (BLOCK // 256)
#: The key that is pressed, the frame that is sent and received, the steps of a device that it takes at most.
_REPORT = bytes([0, 0, 0x04, 0, 0, 0, 0, 0])
_FRAME = bytes(range(60))
_PATIENCE = 8
#: Kinds of target that are the suite's own when they have no bug.
_OURS = frozenset({"reference", "shuffled", "sev-pool"})


def smoke(target: Target) -> None:
    """
    Try the target.

    Raises:
        ForeignFailure: foreign code failed: it raised, hung or died, or got nowhere on any kind of machine.
        SevconfError: the same of our own.

    """
    stories = {kind: _story(target, kind) for kind in sorted(target.kinds, key=lambda kind: kind.value)}
    failures = {kind: failure for kind, failure in stories.items() if failure is not None}
    if failures and len(failures) == len(stories):
        culprit, act, how = next(iter(failures.values()))
        on = ", ".join(kind.value for kind in failures)
        raise _blame(target, culprit, act, f"{how} (on every kind of machine: {on})")


def _blame(target: Target, culprit: str, act: str, how: str) -> Exception:
    judged = sorted(party.value for party in target.parties)
    if party_of(culprit) not in judged:
        # What is ours works elsewhere: what the target provides must be in its way.
        how = f"lets {culprit} fail: it {how}"
        culprit = judged[0] if judged else culprit
    if target.identity.name in _OURS:
        return CannotStart(target.identity.name, f"{culprit} {how}, while it was asked to {act}")
    return ForeignFailure(culprit, act, how)


def _story(target: Target, kind: MachineKind) -> tuple[str, str, str] | None:
    """Play the whole story; returns culprit, act and what happened instead of what had to, if something did."""
    machine = target.open(kind, _SEED)
    try:
        failure = next(_steps(target, machine), None)
        if not len(machine.trace):
            raise CannotStart(target.identity.name, f"a machine of kind {kind.value} leaves no trace")
    finally:
        machine.close()
    return failure


def _steps(target: Target, machine: Machine) -> Iterator[tuple[str, str, str]]:
    if Capability.BLOCK_DRIVER in target.capabilities:
        yield from _block(machine)
    if Capability.KEYBOARD_DRIVER in target.capabilities:
        yield from _keyboard(machine)
    if Capability.NETWORK_DRIVER in target.capabilities:
        yield from _network(machine)
    if Capability.DEVICE_DRIVER in target.capabilities:
        yield from _own_device(machine)
    if Capability.OS_LOADER in target.capabilities:
        yield from _exit(machine)
    elif Capability.CORE_SERVICES in target.capabilities:
        yield from _core(machine)


def _block(machine: Machine) -> Iterator[tuple[str, str, str]]:
    status = machine.driver.start()
    if status.is_error:
        yield _driver(machine), "start", f"returns {status}"
    status = machine.driver.write(_LBA, _CONTENT)
    if status.is_error:
        yield _driver(machine), f"write block {_LBA}", f"returns {status}"
    if machine.driver.medium(_LBA, 1) != _CONTENT:
        yield _driver(machine), f"write block {_LBA}", "returns, and something else lies on the medium"
    status, data = machine.driver.read(_LBA, 1)
    if status.is_error or data != _CONTENT:
        yield _driver(machine), f"read block {_LBA}", f"returns {status} and not what was written there"


def _keyboard(machine: Machine) -> Iterator[tuple[str, str, str]]:
    status = machine.keyboard.start()
    if status.is_error:
        yield _driver(machine), "start", f"returns {status}"
    machine.keyboard.press(_REPORT)
    machine.host.run_devices(_PATIENCE)
    status, report = machine.keyboard.read_key()
    if status.is_error or report != _REPORT:
        yield _driver(machine), "read a key", f"returns {status} and not the report of the key that was pressed"


def _network(machine: Machine) -> Iterator[tuple[str, str, str]]:
    status = machine.network.start()
    if status.is_error:
        yield _driver(machine), "start", f"returns {status}"
    status = machine.network.transmit(_FRAME)
    if status.is_error or machine.network.sent() != (_FRAME,):
        yield _driver(machine), "send a frame", f"returns {status}, and the frame is not on the wire"
    machine.network.deliver(_FRAME)
    machine.host.run_devices(_PATIENCE)
    status, frame = machine.network.receive()
    if status.is_error or frame != _FRAME:
        yield _driver(machine), "receive a frame", f"returns {status} and not the frame that arrived"


def _own_device(machine: Machine) -> Iterator[tuple[str, str, str]]:
    status = machine.own_device.start()
    if status.is_error:
        yield _driver(machine), "start", f"returns {status}"
    status = machine.own_device.work()
    if status.is_error:
        yield _driver(machine), "work", f"returns {status}"
    before = len(machine.trace)
    happens = machine.own_device.stimulate()
    machine.host.run_devices(_PATIENCE)
    if happens and not any(dma.write for dma in machine.trace.of(Dma, since=before)):
        yield _driver(machine), "hear of what happens outside", "has a device that tells nothing of it by DMA"


def _exit(machine: Machine) -> Iterator[tuple[str, str, str]]:
    status = machine.loader.boot()
    trace = machine.trace
    call = next(iter(trace.calls("ExitBootServices")), None)
    loader = Party.OS_LOADER.value if call is None else call.actor
    if status.is_error:
        yield loader, "take the machine over", f"ends with {status}"
    group = EventGroup.EXIT_BOOT_SERVICES.value
    waiting = [e for e in trace.of(EventCreated) if e.group == group and e.type & EVT_NOTIFY_SIGNAL]
    if waiting and not trace.handlers():
        level = "" if call is None or call.tpl is Tpl.APPLICATION else f" at {call.tpl}"
        culprit = loader if level else Party.CORE.value
        yield culprit, f"end boot services{level}", f"lets no exit handler run, though there are {len(waiting)}"


def _core(machine: Machine) -> Iterator[tuple[str, str, str]]:
    core = Party.CORE.value
    status = machine.core.create_event(EventSpec("handler", EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK))
    if status.is_error:
        yield core, "create an exit handler", f"returns {status}"
    status, memory_map = machine.core.memory_map()
    if status.is_error:
        yield core, "tell the memory map", f"returns {status}"
    status = machine.core.exit_boot_services(memory_map.map_key)
    if status.is_error:
        yield core, "end boot services", f"returns {status}"
    if not machine.trace.handlers():
        yield core, "end boot services", "lets no exit handler run, though there is one"


def _driver(machine: Machine) -> str:
    actors = [entry.actor for entry in machine.trace if party_of(entry.actor) == Party.DRIVER.value]
    return actors[-1] if actors else Party.DRIVER.value
