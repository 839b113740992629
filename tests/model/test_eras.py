"""The core as it was before UEFI 2.9, and the names by which eras go."""

import pytest

from sevconf.errors import UsageError
from sevconf.subjects.reference import ReferenceTarget
from sevconf.subjects.registry import resolve
from sevconf.trace import NotificationBegan, Phase
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EfiStatus, EventGroup, MachineKind, Revision, Tpl


@pytest.mark.parametrize(
    ("name", "revision", "signaled"),
    [("edk2-202211", Revision.UEFI_2_7, False), ("edk2-head", Revision.UEFI_2_10, True)],
)
def test_the_before_group(name: str, revision: Revision, *, signaled: bool) -> None:
    """Each era states its revision, hands the machine over, and has the BEFORE group or not."""
    target = resolve(f"era:{name}")
    assert isinstance(target, ReferenceTarget)
    assert (target.identity.name, target.revision) == (f"era:{name}", revision)
    machine = target.open(MachineKind.NONE, 0)
    core = machine.reference.core
    group = EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
    core.create_event_ex(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, lambda: None, group)
    assert machine.loader.boot() is EfiStatus.SUCCESS
    assert bool(list(machine.trace.of(NotificationBegan))) is signaled
    assert (machine.trace.phase(Phase.BEFORE_GROUP) is not None) is signaled


def test_an_era_that_is_none() -> None:
    """An unknown era is told which may have been meant."""
    with pytest.raises(UsageError, match="there is no target 'era:edk2-202212'") as caught:
        resolve("era:edk2-202212")
    assert "era:edk2-202211" in caught.value.hint
