"""Binaries as targets: names, what they are found to be, options, and what lies beneath another target."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sevconf.cli import main
from sevconf.contract import Target
from sevconf.errors import ForeignFailure, Unsupported, UsageError
from sevconf.subjects.binary.beneath import TargetOverIommu
from sevconf.subjects.binary.target import BinaryTarget
from sevconf.subjects.choices import Choices
from sevconf.subjects.registry import resolve
from sevconf.vocabulary import MachineKind, Party

from .conftest import OVMF
from .maker import AARCH64, CODE, PAGE, POINTER, Part, pe


def _file(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "x.efi"
    path.write_bytes(data)
    return str(path)


def _code(code: bytes) -> bytes:
    return pe(Part(b".text", PAGE, code, CODE), POINTER)


def test_an_iommu_driver_is_its_party_on_an_sev_guest() -> None:
    """Debian's IoMmuDxe is found by name, tried, and says which package it comes from."""
    target: Target = resolve(f"{OVMF}#IoMmuDxe")
    try:
        assert target.parties == {Party.IOMMU_DRIVER}
        assert target.kinds == {MachineKind.SEV}
        identity = target.identity
        assert (identity.name, identity.kind, identity.package) == ("OVMF_CODE_4M.fd#IoMmuDxe", "binary", "ovmf")
        assert identity.limits == ()
        with pytest.raises(Unsupported, match="no machine of kind none"):
            target.open(MachineKind.NONE, 0)
    finally:
        target.close()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (b"\x31\xc0\xc3", r"x\.efi starts, and installs no EDKII_IOMMU_PROTOCOL\nhint: this version judges"),
        (b"\x48\xb8\x03\0\0\0\0\0\0\x80\xc3", r"returns EFI_UNSUPPORTED from its entry point"),
        (b"\x0f\x0b", r"executes an instruction that there is not \(at x\+0x1000: ud2\)"),
    ],
)
def test_what_is_no_iommu_driver(tmp_path: Path, code: bytes, says: str) -> None:
    """An image that installs something else, or fails and never mentions the protocol, is no target."""
    with pytest.raises((UsageError, ForeignFailure), match=says):
        BinaryTarget(_file(tmp_path, _code(code)), Choices())


def test_another_architecture_has_no_machines(tmp_path: Path) -> None:
    """A sound image for another processor is a target on which every rule is unsupported, and says so."""
    target = BinaryTarget(_file(tmp_path, pe(machine=AARCH64)), Choices())
    try:
        assert target.kinds == frozenset()
        assert "is PE32+ for aarch64" in target.identity.limits[0]
    finally:
        target.close()


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        (Choices(era="edk1"), "there is no firmware era 'edk1'"),
        (Choices(pcd=("x",)), "expected --pcd TOKEN=VALUE, both numbers, not 'x'"),
        (Choices(beneath=("Nobody",)), r"OVMF_CODE_4M\.fd has no image Nobody"),
    ],
)
def test_choices_that_do_not_fit(choices: Choices, says: str) -> None:
    """An unknown era, a PCD that is none and an image that is not there are wrong use."""
    with pytest.raises(UsageError, match=says):
        BinaryTarget(f"{OVMF}#IoMmuDxe", choices)


def test_a_guest_without_sev_has_no_such_driver() -> None:
    """PCDs by token win over the order of asking: told that it is in no SEV guest, the driver installs nothing."""
    tokens = tuple(f"{token}=0" for token in range(0x400))
    with pytest.raises(UsageError, match="installs no EDKII_IOMMU_PROTOCOL"):
        BinaryTarget(f"{OVMF}#IoMmuDxe", Choices(pcd=tokens))


def test_other_images_are_started_before_it() -> None:
    """Images of the same file go beneath by their bare names, and what they want is told as a limit."""
    target = BinaryTarget(f"{OVMF}#IoMmuDxe", Choices(beneath=("DevicePathDxe",)))
    target.close()


def test_a_binary_beneath_the_reference() -> None:
    """The reference's other parties are judged over the binary, on SEV guests alone; its disk really works."""
    target = resolve("reference", Choices(iommu=f"{OVMF}#IoMmuDxe"))
    try:
        assert isinstance(target, TargetOverIommu)
        assert Party.IOMMU_DRIVER not in target.parties
        assert target.kinds == {MachineKind.SEV}
        machine = target.open(MachineKind.SEV, 0)
        assert not machine.driver.start().is_error
        assert not machine.driver.write(3, b"x" * 512).is_error
        assert machine.driver.medium(3, 1) == b"x" * 512
        assert "iommu-driver:IoMmuDxe" in {entry.actor for entry in machine.trace}
        machine.close()
    finally:
        target.close()


def test_an_iommu_driver_has_none_beneath() -> None:
    """--iommu beneath an IOMMU driver is wrong use."""
    with pytest.raises(UsageError, match="is an IOMMU driver itself"):
        resolve("sev-pool", Choices(iommu=f"{OVMF}#IoMmuDxe"))


def test_on_the_command_line() -> None:
    """A rule on Debian's driver, judged in this process and in others."""
    for workers in ("0", "2"):
        command = ["run", "--target", f"{OVMF}#IoMmuDxe", "--rule", "MEM-04", "-n", workers]
        judged = CliRunner().invoke(main, command)
        assert judged.exit_code == 0, judged.output
        assert "OVMF_CODE_4M.fd#IoMmuDxe conforms: 3 passed" in judged.output
