"""The reference with the ways of real cores, played without them."""

import pytest

from sevconf.contract import Act, EventSpec
from sevconf.differential.acts import Player, Step, observed
from sevconf.differential.ways import WAYS
from sevconf.model.parts import Parts
from sevconf.subjects.reference import ReferenceTarget
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_NOTIFY_WAIT, EventGroup, MachineKind, Tpl

GROUP = "5ec0f000-0000-4000-8000-0000000000a1"


def create(name: str, tpl: Tpl, group: str | None = GROUP, type_: int = EVT_NOTIFY_SIGNAL, *script: Act) -> Step:
    """Return the act that makes an event."""
    return Step("create", spec=EventSpec(name, type_, tpl, group, script))


def play(parts: Parts, *steps: Step) -> tuple[list[str], Player]:
    """Return the notifications that began, in order."""
    machine = ReferenceTarget("x", parts).open(MachineKind.NONE, 0)
    player = Player(machine)
    player.play(steps)
    return [line.split()[0] for line in observed(machine.trace) if line.endswith(" begins")], player


@pytest.mark.parametrize(
    ("parts", "order"),
    [(Parts(), ["c", "b", "a"]), (WAYS["ovmf"], ["c", "b", "a"]), (WAYS["u-boot"], ["a", "b", "c"])],
)
def test_the_order_inside_a_group_is_a_cores_own(parts: Parts, order: list[str]) -> None:
    """Newest first, or oldest first."""
    members = [create(name, Tpl.CALLBACK) for name in "abc"]
    assert play(parts, *members, Step("signal", "b"))[0] == order


def test_u_boot_runs_members_as_it_queues_them() -> None:
    """The level does not count inside a group."""
    members = (create("low", Tpl.CALLBACK), create("high", Tpl.NOTIFY))
    assert play(WAYS["u-boot"], *members, Step("signal", "low"))[0] == ["low", "high"]
    assert play(Parts(), *members, Step("signal", "low"))[0] == ["high", "low"]


def test_edk_turns_members_of_the_exit_group_into_handlers() -> None:
    """An event that notifies on a wait runs with the group."""
    waits = create("waits", Tpl.CALLBACK, EventGroup.EXIT_BOOT_SERVICES.value, EVT_NOTIFY_WAIT)
    assert play(WAYS["ovmf"], waits, Step("exit"))[0] == ["waits"]
    assert play(Parts(), waits, Step("exit"))[0] == []


@pytest.mark.parametrize("parts", [Parts(), *WAYS.values()])
def test_a_refused_key_ends_nothing(parts: Parts) -> None:
    """And the next one does."""
    ran, player = play(parts, create("h", Tpl.NOTIFY, EventGroup.EXIT_BOOT_SERVICES.value), Step("stale-exit"))
    assert (ran, player.reached_exit) == ([], False)
    ran, player = play(parts, create("h", Tpl.NOTIFY, EventGroup.EXIT_BOOT_SERVICES.value), Step("exit"))
    assert (ran, player.reached_exit) == (["h"], True)


def test_acts_that_make_no_sense_are_left_out() -> None:
    """A level below the present one, a page that is not there."""
    left = (Step("restore"), Step("free-pages"), Step("free-pool"), Step("raise", tpl=Tpl.APPLICATION))
    _, player = play(Parts(), *left, Step("raise", tpl=Tpl.NOTIFY), Step("raise", tpl=Tpl.CALLBACK))
    assert player.played == 1
