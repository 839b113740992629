"""
What the mail of 2017 stands on, asked of a core in so many words.

Each question plays a small story on a fresh machine and puts what it saw into a few words. There is no verdict: the
rules give those.
"""

from collections.abc import Callable, Mapping

from sevconf.contract import Act, EventSpec, Machine
from sevconf.trace import NotificationBegan, ServiceReturn
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_SIGNAL_EXIT_BOOT_SERVICES, EfiStatus, EventGroup, MemoryType, Tpl

_PRIVATE = "5ec0f000-0000-4000-8000-00000000000a"


def _ran(machine: Machine) -> list[str]:
    return [entry.event for entry in machine.trace.of(NotificationBegan)]


def _create(machine: Machine, *specs: EventSpec) -> None:
    for spec in specs:
        machine.core.create_event(spec)


def _exit(machine: Machine) -> EfiStatus:
    return machine.core.exit_boot_services(machine.core.memory_map()[1].map_key)


def _handler(name: str, tpl: Tpl, *script: Act) -> EventSpec:
    return EventSpec(name, EVT_SIGNAL_EXIT_BOOT_SERVICES, tpl, script=script)


def queued_whole(machine: Machine) -> str:
    """Let the first member of a group close the second."""
    closes = (Act("CloseEvent", "old"), Act("CloseEvent", "new"))
    _create(
        machine,
        EventSpec("old", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, _PRIVATE),
        EventSpec("middle", EVT_NOTIFY_SIGNAL, Tpl.NOTIFY, _PRIVATE),
        EventSpec("new", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, _PRIVATE),
    )
    machine.core.close_event("middle")
    _create(machine, EventSpec("middle", EVT_NOTIFY_SIGNAL, Tpl.NOTIFY, _PRIVATE, closes))
    machine.core.signal_event("middle")
    return "yes" if _ran(machine) == ["middle"] else "no: members run as they are found"


def notify_first(machine: Machine) -> str:
    """Make exit handlers of both levels, in turn."""
    levels = (Tpl.CALLBACK, Tpl.NOTIFY, Tpl.CALLBACK, Tpl.NOTIFY)
    _create(machine, *(_handler(f"{number} {tpl}", tpl) for number, tpl in enumerate(levels)))
    _exit(machine)
    order = [name.partition(" ")[2] for name in _ran(machine)]
    return "yes" if order == sorted(order, reverse=True) and len(order) == len(levels) else "no"


def deferral_last(machine: Machine) -> str:
    """Let an exit handler in the middle signal a private event."""
    _create(
        machine,
        EventSpec("private", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK),
        _handler("oldest", Tpl.CALLBACK),
        _handler("defers", Tpl.NOTIFY, Act("SignalEvent", "private")),
        _handler("newest", Tpl.CALLBACK),
    )
    _exit(machine)
    ran = _ran(machine)
    if sorted(ran) != ["defers", "newest", "oldest", "private"]:
        return f"not all ran once: {', '.join(ran)}"
    return "yes" if ran[-1] == "private" else "no: a handler runs behind it"


def allocation(machine: Machine) -> str:
    """Let an exit handler allocate a page."""
    _create(machine, _handler("allocates", Tpl.CALLBACK, Act("AllocatePages", size=1)))
    status = _exit(machine)
    found = [entry.status for entry in machine.trace.of(ServiceReturn) if entry.service == "AllocatePages"]
    return f"it gets {found[0]}, and ExitBootServices returns {status}" if found else "it does not run"


def stale_map(machine: Machine) -> str:
    """Look for the page that a handler allocated in the map that the OS holds."""
    _create(machine, _handler("allocates", Tpl.CALLBACK, Act("AllocatePages", size=1)))
    held = machine.core.memory_map()[1]
    machine.core.exit_boot_services(held.map_key)
    results = [dict(e.results) for e in machine.trace.of(ServiceReturn) if e.service == "AllocatePages"]
    page = int(results[0].get("memory") or 0) if results else 0
    owner = next((d.type for d in held.descriptors if d.start <= page < d.end), None)
    return "the page stands there as free memory" if owner is MemoryType.CONVENTIONAL else f"the page stands as {owner}"


def platform(machine: Machine) -> str:
    """Take the memory map at the first and behind the last handler, neither of which allocates."""
    _create(
        machine,
        EventSpec("behind", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, script=(Act("GetMemoryMap"),)),
        _handler("first", Tpl.NOTIFY, Act("SignalEvent", "behind"), Act("GetMemoryMap")),
    )
    held = machine.core.memory_map()[1].map_key
    machine.core.exit_boot_services(held)
    keys = [dict(e.results).get("map_key") for e in machine.trace.of(ServiceReturn) if e.service == "GetMemoryMap"][1:]
    return "no" if keys and set(keys) == {held} else "yes: handlers of its own change the memory map"


def before_group(machine: Machine) -> str:
    """Make a handler of the BeforeExitBootServices group, and call twice."""
    group = EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
    _create(machine, EventSpec("before", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, group))
    key = machine.core.memory_map()[1].map_key
    machine.core.allocate_pages(1)
    machine.core.exit_boot_services(key)
    first = _ran(machine).count("before")
    _exit(machine)
    count = _ran(machine).count("before")
    if not count:
        return "not signaled"
    return (
        f"signaled {'once' if count == 1 else f'{count} times'}, {'before' if first else 'behind'} the check of the key"
    )


QUESTIONS: Mapping[str, Callable[[Machine], str]] = {
    "Is a group queued whole before its first notification?": queued_whole,
    "Do exit handlers at TPL_NOTIFY run before those at TPL_CALLBACK?": notify_first,
    "Does an event that a handler signals run behind all handlers?": deferral_last,
    "What becomes of a handler that allocates a page?": allocation,
    "What does the OS's map say of that page?": stale_map,
    "Does the memory map move at exit without our doing?": platform,
    "Is the BeforeExitBootServices group signaled?": before_group,
}
