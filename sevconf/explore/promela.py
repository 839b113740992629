"""
The order of a hand-over in Promela, for Spin: an independent word on what the explorer finds.

It knows queues, levels, deferral and who halts what, and nothing of memory: its one question is whether a teardown can
come while a device runs, or never comes. It is written from the specification, not from `sevconf.model`.

Spec: UEFI 2.10, 7.1 "Event, Timer, and Task Priority Services", 7.4.6 EFI_BOOT_SERVICES.ExitBootServices().
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sevconf.errors import UsageError
from sevconf.explore.plan import Plan

#: How often each driver defers its halt.
_DEPTHS = {"disk": 0, "deferring-disk": 1, "twice-deferring-disk": 2}
#: What an IOMMU driver's exit handler does; `{private}` is the number of its private event.
_TEARDOWN = "teardown()"
_AT_EXIT = {
    "": "callback!{private}",
    "tears-down-at-once": _TEARDOWN,
    "defers-at-notify": "notify!{private}",
    "dispatches-as-it-queues": "callback!{private}",
}


@dataclass(frozen=True, slots=True)
class SpinResult:
    """What Spin says: whether a teardown can come too early or never, and how many states it stored."""

    broken: bool
    states: int


def promela(plan: Plan) -> str:
    """
    Return the model of a plan.

    Raises:
        UsageError: the plan has a driver, an IOMMU driver or a fault that this model has no word for.

    """
    before = plan.fault == "tears-down-in-before-group"
    apart = plan.iommu == "core-signalled"
    known = plan.iommu in {"sev", "sev-pool", "core-signalled"} and (before or plan.fault in _AT_EXIT)
    if not known or any(name not in _DEPTHS for name in plan.drivers):
        raise UsageError("expected a plan of disks over an SEV IOMMU driver, and a fault of order")
    count = len(plan.drivers)
    members = [*range(count), *(() if before or apart else (count,))]
    private = count + 1
    cases = []
    following = private + 1
    for number, name in enumerate(plan.drivers):
        events = [number, *range(following, following + _DEPTHS[name])]
        following += _DEPTHS[name]
        cases += [f":: e == {a} -> callback!{b}" for a, b in pairwise(events)]
        cases.append(f":: e == {events[-1]} -> running[{number}] = false")
    if count in members:
        cases.append(f":: e == {count} -> " + _AT_EXIT[plan.fault].format(private=private))
        cases.append(f":: e == {private} -> {_TEARDOWN}")
    running = " || ".join(f"running[{number}]" for number in range(count))
    left = " || ".join(f"!queued[{member}]" for member in members)
    queue = "\n    ".join(
        f":: !queued[{m}] -> queued[{m}] = true; if :: notify!{m} :: callback!{m} fi{_as_queued(plan)}" for m in members
    )
    body = "\n    ".join(cases)
    return f"""chan notify = [{following}] of {{ byte }};
chan callback = [{following}] of {{ byte }};
bool running[{count}] = true;
bool queued[{count + 1}];
bool torn;
byte e;

inline teardown() {{ assert(!({running})); torn = true }}
inline handle() {{
    if
    {body}
    fi
}}
inline dispatch() {{
    do
    :: nempty(notify) -> notify?e; handle()
    :: empty(notify) && nempty(callback) -> callback?e; handle()
    :: empty(notify) && empty(callback) -> break
    od
}}

init {{
    atomic {{ {"teardown();" if before else "skip;"} }}
    do
    {queue}
    :: !({left}) -> break
    od;
    dispatch();
    {"teardown();" if apart else "skip;"}
    assert(torn)
}}
"""


def _as_queued(plan: Plan) -> str:
    return "; dispatch()" if plan.fault == "dispatches-as-it-queues" else ""


def check(plan: Plan, folder: Path) -> SpinResult:
    """
    Let Spin search all states of a plan's model; its files go to a folder.

    Raises:
        UsageError: Spin or a C compiler is missing, or the model has no word for the plan.

    """
    if not (shutil.which("spin") and shutil.which("gcc")):
        raise UsageError("expected spin and gcc to be installed", hint="Debian: apt install spin gcc libc6-dev")
    (folder / "model.pml").write_text(promela(plan), encoding="utf-8")
    _run(folder, "spin", "-a", "model.pml")
    _run(folder, "gcc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c")
    said = _run(folder, str(folder / "pan"), "-m100000")
    errors, states = re.search(r"errors: (\d+)", said), re.search(r"(\d+) states, stored", said)
    if errors is None or states is None or "max search depth too small" in said:
        raise UsageError(f"Spin did not finish: {said}")
    return SpinResult(int(errors[1]) > 0, int(states[1]))


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode and command[0] in {"spin", "gcc"}:
        raise UsageError(f"{command[0]} refuses the model: {done.stdout}{done.stderr}")
    return done.stdout
