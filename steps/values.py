"""Words of the features and the values that they stand for, and small things that several step modules share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from sevconf.contract import EventSpec, Machine, Secret
from sevconf.monitors import Breach, control, judge, leaks, shown_in_plaintext
from sevconf.trace import Dma, Dumped, NotificationBegan, Trace
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, CBit, DmaOperation, MemoryType, Party, Tpl

T = TypeVar("T")

#: What the suite's devices are called in a trace.
DISK = "device:disk"
DEVICES = {"keyboard": "device:keyboard", "network card": "device:nic", "driver's own device": "device:own"}

#: What the fixture `monitored` is: the charged breaches of a rule.
Monitored: TypeAlias = Callable[[str], tuple[Breach, ...]]


def moved(trace: Trace, device: str) -> list[Dma]:
    """Return what a device moved; others may be at work beside it."""
    return [e for e in trace.of(Dma) if e.device == device]


def require_core(machine: Machine) -> None:
    """Hold that the core does what it is asked: a signaled event's notification runs, and pages leave the free ones."""
    made = machine.core.create_event(EventSpec("control", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK))
    control(not made.is_error and not machine.core.signal_event("control").is_error, "no event was made and signaled")
    ran = any(began.event == "control" for began in machine.trace.of(NotificationBegan))
    control(ran, "the notification of a signaled event did not run")
    status, page = machine.core.allocate_pages(1)
    ranges = machine.core.memory_map()[1].descriptors
    taken = any(d.start <= page < d.end and d.type is not MemoryType.CONVENTIONAL for d in ranges)
    control(not status.is_error and taken, "AllocatePages took no page")


def one_of(table: dict[str, T]) -> Callable[[str], T]:
    """Return a converter for a column whose words are the keys of a table."""

    def convert(word: str) -> T:
        return table[word]

    return convert


TPL = one_of({str(tpl): tpl for tpl in Tpl})
CBIT = one_of({cbit.value: cbit for cbit in CBit})
OPERATION = one_of({operation.value: operation for operation in DmaOperation})


@dataclass
class Scene:
    """What the sentences of one scenario hand on to each other."""

    secrets: list[Secret] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def secret(self) -> Secret:
        """The secret that was made last."""
        return self.secrets[-1]


def newest_actor(trace: Trace, party: Party) -> str:
    """Name the newest actor of a party in a trace, for who is to blame when no single act is."""
    actors = [entry.actor for entry in trace if entry.actor.partition(":")[0] == party.value]
    return actors[-1] if actors else party.value


def require_no_leak(machine: Machine, scene: Scene, dump: Dumped, whom: Party) -> None:
    """Judge that a dump holds none of the secrets, each of which a control search saw before."""
    for secret in scene.secrets:
        control(
            shown_in_plaintext(machine.trace, secret.name),
            f"{secret.name} was never seen in DRAM, so its absence proves nothing",
        )
    require_private(machine, dump, whom, "no secret lies in plaintext in DRAM")


def require_private(machine: Machine, dump: Dumped, whom: Party, expected: str) -> None:
    """Judge that a dump holds none of the secrets, and say of the first one who left it there."""
    found = list(leaks(machine.trace, dump))
    judge(
        not found,
        expected=expected,
        observed=found[0].observed if found else "",
        culprit=newest_actor(machine.trace, whom),
        steps=found[0].steps if found else (),
    )


def create(machine: Machine, spec: EventSpec) -> None:
    """Create an event that the scenario needs."""
    status = machine.core.create_event(spec)
    control(not status.is_error, f"{spec.name} was not created: {status}")
