"""
Sequences drawn by hypothesis: legal and illegal acts on events, levels, memory and ExitBootServices.

Each sequence draws its own mix of acts first (swarm testing), then acts in that mix. A script signals and closes only
events that are younger than its own and in no group, so no sequence runs for ever.

Left out, because cores may differ there by UEFI's leave, or because rules judge it already: the MemoryMapChange group
(a core may change several ranges in one service), acts that allocate in the BeforeExitBootServices group, timers that
are armed and not waited for, scripts that raise the level, and events that close themselves.
"""

from hypothesis import strategies as st

from sevconf.contract import Act, EventSpec
from sevconf.differential.acts import Kind, Step
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_NOTIFY_WAIT,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_TIMER,
    EventGroup,
    Tpl,
)

GROUPS = ("5ec0f000-0000-4000-8000-0000000000a1", "5ec0f000-0000-4000-8000-0000000000a2")
_EXIT, _BEFORE = EventGroup.EXIT_BOOT_SERVICES.value, EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
#: Events of a sequence, and acts in it.
EVENTS, SHORTEST, LONGEST = 10, 24, 48
_KINDS: tuple[Kind, ...] = (
    "create", "signal", "close", "check", "tick", "raise", "restore", "pages", "free-pages", "pool", "free-pool",
    "stale-exit",
)  # fmt: skip
_TYPES = (
    *(EVT_NOTIFY_SIGNAL,) * 6, *(EVT_SIGNAL_EXIT_BOOT_SERVICES,) * 3, *(EVT_TIMER | EVT_NOTIFY_SIGNAL,) * 2,
    0, EVT_TIMER, EVT_NOTIFY_WAIT, EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL,
)  # fmt: skip
_LEVELS = (*(Tpl.CALLBACK, Tpl.NOTIFY) * 5, Tpl.APPLICATION, Tpl.HIGH_LEVEL)


@st.composite
def _script(draw: st.DrawFn, index: int, loners: frozenset[int], *, allocates: bool) -> tuple[Act, ...]:
    acts = []
    for _ in range(draw(st.integers(0, 3))):
        others = [other for other in sorted(loners) if other > index]
        services = (["SignalEvent", "SignalEvent", "CloseEvent"] if others else []) + (
            ["AllocatePages", "AllocatePool"] if allocates else []
        )
        if not services:
            break
        service = draw(st.sampled_from(services))
        if service in {"SignalEvent", "CloseEvent"}:
            acts.append(Act(service, f"e{draw(st.sampled_from(others))}"))  # type: ignore[arg-type]
        else:
            acts.append(Act(service, size=1 if service == "AllocatePages" else 65_536))  # type: ignore[arg-type]
    return tuple(acts)


@st.composite
def _event(draw: st.DrawFn, index: int, loners: frozenset[int]) -> EventSpec:
    type_ = draw(st.sampled_from(_TYPES))
    group = None if index in loners else draw(st.sampled_from((*GROUPS, *GROUPS, _EXIT, _EXIT, _BEFORE)))
    if index in loners and type_ == EVT_SIGNAL_EXIT_BOOT_SERVICES:
        type_ = EVT_NOTIFY_SIGNAL
    if type_ == EVT_SIGNAL_EXIT_BOOT_SERVICES:
        # With a group it is refused: half of them are legal.
        group = draw(st.sampled_from((None, group)))
    tpl = draw(st.sampled_from(_LEVELS)) if type_ & (EVT_NOTIFY_SIGNAL | EVT_NOTIFY_WAIT) else None
    script = draw(_script(index, loners, allocates=group != _BEFORE)) if tpl is not None else ()
    by_ex = draw(st.booleans())
    return EventSpec(f"e{index}", type_, tpl, group, script, by_create_event_ex=by_ex)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[Step, ...]:
    """Return a sequence; three of four end in ExitBootServices."""
    kinds: list[Kind] = ["create", "signal", *draw(st.lists(st.sampled_from(_KINDS), min_size=2, unique=True))]
    loners = draw(st.frozensets(st.integers(EVENTS // 3, EVENTS - 1), min_size=2))
    specs = [draw(_event(index, loners)) for index in range(EVENTS)]
    first = draw(st.lists(st.integers(0, EVENTS - 1), min_size=4, max_size=EVENTS, unique=True))
    steps = [Step("create", spec=specs[index]) for index in first]
    made = set(first)
    for _ in range(draw(st.integers(SHORTEST, LONGEST)) - len(steps)):
        kind = draw(st.sampled_from(kinds))
        index = draw(st.integers(0, EVENTS - 1))
        if kind == "create":
            # A name is used once: what an old event of that name would do is not asked.
            left = [other for other in range(EVENTS) if other not in made]
            if not left:
                kind = "signal"
            else:
                index = draw(st.sampled_from(left))
                made.add(index)
        tpl = draw(st.sampled_from((Tpl.CALLBACK, Tpl.NOTIFY, Tpl.HIGH_LEVEL))) if kind == "raise" else Tpl.APPLICATION
        spec = specs[index] if kind == "create" else None
        number = draw(st.integers(1, 4)) if kind == "pages" else 1
        steps.append(Step(kind, f"e{index}" if kind in {"signal", "close", "check", "tick"} else "", spec, tpl, number))
    if draw(st.integers(0, 3)):
        steps.append(Step("exit"))
    return tuple(steps)
