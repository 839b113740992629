"""The protocol database against UEFI 2.10, 7.3, and the one service for application processors."""

import pytest

from sevconf.contract.disk import BLOCK
from sevconf.model.boot_services import Core
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.model.protocols import RAM_DISK_BLOCKS, RamDisk
from sevconf.monitors import charge
from sevconf.subjects.facets import DriverFacet
from sevconf.trace import ProcedureBegan, ServiceCall, ServiceReturn, Trace
from sevconf.vocabulary import PROTOCOL_NAMES, UEFI_PROTOCOLS, EfiStatus, MachineKind, Party
from sevconf.vocabulary.protocols import BLOCK_IO, MP_SERVICES, PCI_ENUMERATION_COMPLETE, SIMPLE_TEXT_OUTPUT

OWN = "5ec0f000-0000-4000-8000-00000000000f"
SUCCESS, NOT_FOUND, INVALID = EfiStatus.SUCCESS, EfiStatus.NOT_FOUND, EfiStatus.INVALID_PARAMETER


@pytest.fixture
def core() -> Core:
    """Return the core of a fresh machine."""
    return ReferenceMachine(MachineKind.NONE, 0).core


def _trace(core: Core) -> Trace:
    return core._recorder.trace


def test_an_interface_comes_and_goes(core: Core) -> None:
    """What is installed is located, until whoever installed it takes it back."""
    interface = object()
    assert core.locate_protocol(OWN) == (NOT_FOUND, None)
    assert core.install_protocol_interface(OWN, interface) is SUCCESS
    assert core.install_protocol_interface(OWN, object()) is INVALID
    assert core.locate_protocol(OWN) == (SUCCESS, interface)
    assert core.uninstall_protocol_interface(OWN, object()) is NOT_FOUND
    assert core.uninstall_protocol_interface(OWN, interface) is SUCCESS
    assert core.locate_protocol(OWN) == (NOT_FOUND, None)


def test_every_look_up_is_recorded(core: Core) -> None:
    """The trace tells who asked for which GUID, and what came of it."""
    core.locate_protocol(BLOCK_IO)
    core.locate_protocol(OWN)
    asked = [dict(call.arguments)["protocol"] for call in _trace(core).of(ServiceCall)]
    assert asked == [BLOCK_IO, OWN]
    assert [back.status for back in _trace(core).of(ServiceReturn)] == [SUCCESS, NOT_FOUND]


def test_private_protocols_can_be_absent(core: Core) -> None:
    """A bare platform has UEFI's own protocols, and no others."""
    core.remove_private_protocols()
    assert core.protocols.keys() <= UEFI_PROTOCOLS.keys() < PROTOCOL_NAMES.keys()
    assert core.locate_protocol(SIMPLE_TEXT_OUTPUT)[0] is SUCCESS
    assert core.locate_protocol(PCI_ENUMERATION_COMPLETE)[0] is NOT_FOUND


def test_nothing_is_served_when_services_are_gone(core: Core) -> None:
    """Behind ExitBootServices the database answers nothing."""
    core.gone = True
    assert core.locate_protocol(BLOCK_IO) == (NOT_FOUND, None)
    assert core.install_protocol_interface(OWN, object()) is INVALID
    assert core.uninstall_protocol_interface(BLOCK_IO, core.protocols[BLOCK_IO]) is NOT_FOUND
    assert core.startup_this_ap(1, lambda: None) is EfiStatus.UNSUPPORTED


def test_the_ram_disk(core: Core) -> None:
    """The platform's own disk keeps blocks, and has an end."""
    disk = core.locate_protocol(BLOCK_IO)[1]
    assert isinstance(disk, RamDisk)
    assert disk.write_blocks(3, b"x" * BLOCK) is SUCCESS
    assert disk.read_blocks(2, 2) == (SUCCESS, bytes(BLOCK) + b"x" * BLOCK)
    assert disk.write_blocks(RAM_DISK_BLOCKS, bytes(BLOCK)) is INVALID
    assert disk.read_blocks(RAM_DISK_BLOCKS - 1, 2) == (INVALID, b"")


def test_procedures_on_other_processors(core: Core) -> None:
    """What a procedure calls is recorded on its processor, inside StartupThisAP, for whoever started it."""
    recorder = core._recorder

    def stalls() -> None:
        core.stall(1)

    with recorder.acting("driver:disk"):
        assert core.startup_this_ap(1, stalls) is SUCCESS
        core.stall(1)
    start, other, own = _trace(core).of(ServiceCall)
    (began,) = _trace(core).of(ProcedureBegan)
    assert (start.service, own.service) == ("MpServices.StartupThisAP", "Stall")
    assert (began.actor, began.processor, began.within) == ("driver:disk", 1, start.step)
    assert (other.actor, other.within) == ("driver:disk", began.step)
    assert (own.actor, own.within) == ("driver:disk", None)


def test_processors_that_are_not_there(core: Core) -> None:
    """There is one application processor, and none without MP services."""
    assert core.startup_this_ap(0, lambda: None) is NOT_FOUND
    assert core.startup_this_ap(2, lambda: None) is NOT_FOUND
    core.uninstall_protocol_interface(MP_SERVICES, core.protocols[MP_SERVICES])
    assert core.startup_this_ap(1, lambda: None) is EfiStatus.UNSUPPORTED


class LooksAround(DiskDriver):
    """Looks for a private protocol, and starts with or without it."""

    def start(self) -> EfiStatus:
        """Look, then start."""
        self.boot_services.locate_protocol(PCI_ENUMERATION_COMPLETE)
        return super().start()


@pytest.mark.parametrize("bare", [False, True])
def test_an_optional_look_up_is_fine(*, bare: bool) -> None:
    """A driver that looks for a private protocol and does not need it works on any platform, and is not charged."""
    machine = ReferenceMachine(MachineKind.SEV, 0, Parts(driver=LooksAround))
    if bare:
        machine.core.remove_private_protocols()
    driver = DriverFacet(machine)
    assert driver.start() is SUCCESS
    assert driver.write(1, bytes(BLOCK)) is SUCCESS
    assert driver.stop() is SUCCESS
    assert charge(machine.trace, frozenset(Party)) == ()
