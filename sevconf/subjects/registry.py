"""Targets by name; each loads what it needs when it is asked for, so that naming one costs nothing."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sevconf.contract import Target
from sevconf.errors import UsageError
from sevconf.subjects.choices import Choices
from sevconf.subjects.near import near

if TYPE_CHECKING:
    from sevconf.faults.fault import Fault

_FAULTY = "faulty:"

#: Names of the model's own machines.
_OWN = {
    "reference": "the reference machine, which conforms",
    "shuffled": "the reference with every freedom that UEFI leaves drawn from the seed",
    "sev-pool": "the SEV IOMMU driver with a pool of shared pages, on the reference machine",
}
#: The reference as EDK II's core was at a release.
_ERAS = {
    "era:edk2-202211": "the reference as UEFI 2.7, without the BeforeExitBootServices group",
    "era:edk2-head": "the reference as UEFI 2.10, which is the default",
}
#: Real firmware in QEMU; options follow behind commas.
_FIRMWARE = {
    "ovmf": "Debian's OVMF (EDK II) in QEMU, judged as core; options: ,image= ,vars= ,qemu= ,disk=",
    "u-boot": "Debian's U-Boot in QEMU, judged as core; options as above",
    "firmware:IMAGE": "any other firmware image in QEMU, judged as core; options as above",
}
#: Names of foreign code.
_FOREIGN = {
    "FILE.py:CLASS": "a vendor's class (driver, iommu-driver or os-loader) in a Python file",
    "MODULE:CLASS": "a vendor's class in an importable Python module",
    "FILE.efi": "an IOMMU driver's binary, PE32+ for x86-64",
    "FILE.rom#NAME": "the same in a PCI option ROM; `sevconf list images FILE` shows names",
    "FILE.fd#NAME": "the same in a firmware image",
}
#: What to do about a name that is none.
_KNOWN = "`sevconf list targets` shows what can be judged"
#: Names that are spoken for, and not built yet.
_TO_COME = re.compile(r".*\.jsonl", re.IGNORECASE)
#: A file that holds images of UEFI, and which of them.
_BINARY = re.compile(r"[^#,]+\.(efi|rom|fd|fv|cap)(#.+)?", re.IGNORECASE)


def resolve(name: str, choices: Choices | None = None) -> Target:
    """
    Return the target of that name, with what was chosen beside it; whoever asks closes it.

    Raises:
        UsageError: there is none, or it cannot be judged.

    """
    choices = choices or Choices()
    foreign = _BINARY.fullmatch(name) or (":" in name and not name.startswith(("era:", _FAULTY)))
    if choices.inject and (choices.iommu or not _BINARY.fullmatch(name)):
        raise UsageError("expected a binary as target with --inject", hint="faults are put into what is judged")
    if choices.device and not foreign:
        raise UsageError(f"expected a driver of kind 'device' with --device, not {name!r}")
    if choices.iommu:
        from sevconf.subjects.binary.beneath import TargetOverIommu  # noqa: PLC0415 -- starts processes

        return TargetOverIommu(resolve(name, replace(choices, iommu="")), choices)
    if _BINARY.fullmatch(name):
        from sevconf.subjects.binary.target import BinaryTarget  # noqa: PLC0415 -- starts processes

        return BinaryTarget(name, choices)
    if name in _OWN:
        from sevconf.subjects import reference  # noqa: PLC0415 -- the model takes a while

        makers = {"shuffled": reference.shuffled, "sev-pool": reference.sev_pool}
        return makers.get(name, reference.ReferenceTarget)()
    if name.startswith("era:"):
        if name not in _ERAS:
            raise UsageError(f"there is no target {name!r}", hint=near(name, _ERAS) or _KNOWN)
        from sevconf.subjects.reference import era  # noqa: PLC0415 -- the model takes a while

        return era(name.removeprefix("era:"))
    if name.startswith(_FAULTY):
        return _faulty(name.removeprefix(_FAULTY))
    if name.partition(",")[0] in _FIRMWARE or name.startswith("firmware:"):
        from sevconf.subjects.firmware.target import FirmwareTarget  # noqa: PLC0415 -- starts processes

        return FirmwareTarget(name)
    if _TO_COME.fullmatch(name):
        raise UsageError(f"the target {name!r} is not supported by this version", hint=_KNOWN)
    if ":" in name:
        from sevconf.subjects.python.limits import Limits  # noqa: PLC0415 -- as above
        from sevconf.subjects.python.target import PythonTarget  # noqa: PLC0415 -- starts processes

        limits = None if choices.timeout is None else Limits(wall=choices.timeout)
        return PythonTarget(name, limits=limits, device=choices.device)
    if name.endswith(".py"):
        raise UsageError(f"expected a class with the file {name}", hint=f"name it: {name}:CLASS")
    raise UsageError(f"there is no target {name!r}", hint=near(name, _OWN) or _KNOWN)


def _catalogue() -> "Mapping[str, Fault]":
    from sevconf.faults import CATALOGUE  # noqa: PLC0415 -- the machines need the model

    return CATALOGUE


def _faulty(name: str) -> Target:
    from sevconf.subjects.reference import ReferenceTarget  # noqa: PLC0415 -- the model takes a while

    faults = _catalogue()
    if name not in faults:
        raise UsageError(f"there is no faulty machine {name!r}", hint=near(name, faults) or _KNOWN)
    return ReferenceTarget(f"{_FAULTY}{name}", faults[name].parts, frozenset({faults[name].party}))


def names() -> tuple[tuple[str, str], ...]:
    """Return every name that can be judged, or its form, with what it stands for."""
    faulty = {f"{_FAULTY}{name}": fault.bug for name, fault in _catalogue().items()}
    return tuple({**_OWN, **_ERAS, **_FIRMWARE, **faulty, **_FOREIGN}.items())
