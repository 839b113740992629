"""Drivers of Debian's OVMF on QEMU's devices: they work, monitors see their DMA, and who does not halt is caught."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from sevconf.contract.disk import BLOCK
from sevconf.errors import UsageError
from sevconf.model.parts import Parts
from sevconf.monitors import MONITORS, Breach
from sevconf.subjects.binary.firmware.boot_services import BootServices
from sevconf.subjects.binary.ground import Ground, machine_with_driver
from sevconf.subjects.binary.target import BinaryTarget, unpack
from sevconf.subjects.choices import Choices
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.models import order
from sevconf.subjects.reference import ReferenceFacets
from sevconf.trace import Dma, MappingMade
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EfiStatus,
    EventGroup,
    MachineKind,
    Party,
)

#: A group that nobody signals.
PRIVATE = "0f0e0d0c-0b0a-0908-0706-050403020100"
PATTERN = bytes(range(256)) * (3 * BLOCK // 256)


class Strict:
    """Lets a test fail when a binary does."""

    def fail(self, culprit: str, how: str) -> NoReturn:
        """Fail."""
        pytest.fail(f"{culprit} {how}")


@contextmanager
def driven(ovmf: Path, name: str, device: str, *beneath: str, disk: bool = False) -> Iterator[ReferenceFacets]:
    """Make a machine with a driver of OVMF's on a device."""
    unpacked = unpack(f"{ovmf}#{name}", Choices(beneath=beneath))
    try:
        with Bench([order(f"qemu:{device}")]) as bench:
            args = (unpacked.package, MachineKind.SEV, 7, bench, Ground(Strict()), Parts())
            yield ReferenceFacets(machine_with_driver(*args, disk=disk))
    finally:
        unpacked.close()


def breaches(facets: ReferenceFacets) -> list[Breach]:
    """Return what monitors find of drivers."""
    found = (breach for monitor in MONITORS for breach in monitor.breaches(facets.trace))
    return [breach for breach in found if breach.culprit.startswith(Party.DRIVER.value)]


def test_a_disk_driver_moves_the_right_bytes_and_lets_go_at_exit(ovmf: Path) -> None:
    """VirtioBlkDxe over Virtio10: data through BlockIo lie on the disk image, and come back; nothing is left behind."""
    with driven(ovmf, "VirtioBlkDxe", "virtio-blk-pci", "DevicePathDxe", "Virtio10", disk=True) as facets:
        assert facets.driver.start() is EfiStatus.SUCCESS
        assert facets.driver.write(9, PATTERN) is EfiStatus.SUCCESS
        assert facets.driver.medium(9, 3) == PATTERN
        facets.driver.put_medium(10, PATTERN[::-1][:BLOCK])
        assert facets.driver.read(9, 3) == (
            EfiStatus.SUCCESS,
            PATTERN[:BLOCK] + PATTERN[::-1][:BLOCK] + PATTERN[2 * BLOCK :],
        )
        assert {(dma.device, dma.write) for dma in facets.trace.of(Dma)} == {
            ("device:disk", True),
            ("device:disk", False),
        }
        assert {made.owner for made in facets.trace.of(MappingMade)} == {"driver:VirtioBlkDxe"}
        assert facets.loader.boot() is EfiStatus.SUCCESS
        assert not facets.memory.shared_pages()
        assert not breaches(facets)


def test_a_controller_that_is_halted_hears_of_no_key(ovmf: Path) -> None:
    """XhciDxe polls a keyboard: a key makes the controller write before the exit, and not behind it."""
    with driven(ovmf, "XhciDxe", "qemu-xhci", "DevicePathDxe") as facets:
        assert facets.own_device.start() is EfiStatus.SUCCESS
        assert facets.own_device.work() is EfiStatus.SUCCESS
        before = len(facets.trace)
        assert facets.own_device.stimulate()
        facets.host.run_devices(2)
        assert any(dma.write for dma in facets.trace.of(Dma, since=before))
        assert facets.loader.boot() is EfiStatus.SUCCESS
        behind = len(facets.trace)
        facets.own_device.stimulate()
        facets.host.run_devices(2)
        assert not list(facets.trace.of(Dma, since=behind))


@pytest.mark.parametrize(
    ("name", "device", "beneath", "caught"),
    [("UhciDxe", "piix3-usb-uhci", (), True), ("VirtioRngDxe", "virtio-rng-pci", ("Virtio10",), False)],
    ids=["runs", "idle"],
)
def test_without_its_exit_handler_only_a_device_that_goes_on_is_charged(  # noqa: PLR0917 -- parametrized
    ovmf: Path, monkeypatch: pytest.MonkeyPatch, name: str, device: str, beneath: tuple[str, ...], caught: bool
) -> None:
    """A schedule that runs goes on behind the exit; an idle device with its bus-master bit set does nothing."""
    by_type, by_group = BootServices.create_event, BootServices.create_event_ex

    def create_event(self: BootServices, type: int, tpl: int, function: int, context: int) -> Any:
        return by_type(
            self, EVT_NOTIFY_SIGNAL if type == EVT_SIGNAL_EXIT_BOOT_SERVICES else type, tpl, function, context
        )

    def create_event_ex(self: BootServices, *given: Any) -> Any:
        group = PRIVATE if given[-1] == EventGroup.EXIT_BOOT_SERVICES.value else given[-1]
        return cast("Any", by_group)(self, *given[:-1], group)

    monkeypatch.setattr(BootServices, "create_event", create_event)
    monkeypatch.setattr(BootServices, "create_event_ex", create_event_ex)
    with driven(ovmf, name, device, *beneath) as facets:
        assert facets.own_device.start() is EfiStatus.SUCCESS
        assert facets.own_device.work() is EfiStatus.SUCCESS
        assert facets.loader.boot() is EfiStatus.SUCCESS
        facets.host.run_devices(4)
        assert facets.reference.own_device.masters_bus  # type: ignore[attr-defined]
        assert ("DRV-01" in {breach.rule for breach in breaches(facets)}) is caught


def test_the_device_is_found_by_asking_the_driver(ovmf: Path) -> None:
    """Among all devices that QEMU has here the driver says which it manages; what cannot work is refused."""
    target = BinaryTarget(f"{ovmf}#EhciDxe", Choices())
    tools = dict(target.identity.tools)
    target.close()
    assert tools["device"] == "qemu:usb-ehci"
    with pytest.raises(UsageError, match="does not manage qemu:nvme"):
        BinaryTarget(f"{ovmf}#EhciDxe", Choices(device="qemu:nvme"))
    with pytest.raises(UsageError, match="expected a device's driver with --device"):
        BinaryTarget(f"{ovmf}#IoMmuDxe", Choices(device="qemu:nvme"))
