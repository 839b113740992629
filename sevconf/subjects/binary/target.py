"""
A binary as a target, an IOMMU driver or a device's driver: it provides that party, the reference machine the rest.

A device's driver drives one of QEMU's devices: the one that is chosen, or else the first that it says it manages.

Its images are read in a child, tried once in a worker, and judged in workers, one for each machine.
"""

import pickle
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from sevconf.contract import Capability, Identity
from sevconf.errors import ForeignFailure, Unsupported, UsageError
from sevconf.subjects.binary.abi.protocols import IOMMU
from sevconf.subjects.binary.driver import actor_of as driver_actor
from sevconf.subjects.binary.driver import is_driver
from sevconf.subjects.binary.images.files import load, place_of
from sevconf.subjects.binary.inject.table import check
from sevconf.subjects.binary.origin import BinaryOrigin, Package
from sevconf.subjects.binary.platform import era
from sevconf.subjects.binary.probe import Probed
from sevconf.subjects.binary.symbols import symbols_beside
from sevconf.subjects.choices import Choices
from sevconf.subjects.python.job import ANY_DEVICE, Job
from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.line import Request
from sevconf.subjects.python.nursery import Nursery
from sevconf.subjects.python.remote import Conversation, RemoteMachine
from sevconf.subjects.python.roles import capabilities_of
from sevconf.subjects.qemu.function import WATCHED
from sevconf.subjects.qemu.models import PREFIX, order
from sevconf.subjects.qemu.process import program
from sevconf.subjects.qemu.process import version as qemu_version
from sevconf.vocabulary import PROTOCOL_NAMES, MachineKind, Party, Revision

#: What a report names beside the binary.
_TOOLS = ("unicorn",)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A package in a file of ours, with what is known of where it came from; `close` takes the file away."""

    package: Package
    name: str
    path: Path
    folder: Path

    @property
    def origin(self) -> BinaryOrigin:
        """What a worker gets."""
        image = self.package.image
        culprit = driver_actor(image) if is_driver(image) else f"{Party.IOMMU_DRIVER.value}:{image.name}"
        return BinaryOrigin(self.name, str(self.folder / "package"), culprit)

    def close(self) -> None:
        """Take the file away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def unpack(name: str, choices: Choices) -> Unpacked:
    """
    Read an image and what is to lie beneath it, and put them where workers find them.

    Raises:
        UsageError: there is no such file, image, era or PCD, or the image is damaged.
        Unsupported: it is of another architecture or form.

    """
    check(choices.inject)
    place = place_of(name)
    image = load(place)
    # A bare name beneath is one of the same file.
    beneath = tuple(load(place_of(other if "#" in other else f"{place.path}#{other}")) for other in choices.beneath)
    symbols = symbols_beside(place.path, image.base, image.size)
    package = Package(image, symbols, beneath, era(choices.era), tuple(map(_pcd, choices.pcd)), choices.inject)
    folder = Path(tempfile.mkdtemp(prefix="sevconf-"))
    (folder / "package").write_bytes(pickle.dumps(package))
    return Unpacked(package, place.name, place.path, folder)


def _pcd(text: str) -> tuple[int, int]:
    token, _, value = text.partition("=")
    try:
        return int(token, 0), int(value, 0)
    except ValueError:
        raise UsageError(f"expected --pcd TOKEN=VALUE, both numbers, not {text!r}") from None


class BinaryTarget:
    """
    A binary named `FILE` or `FILE#NAME`, on the platform of an era; making one reads it and tries it once.

    A sound image of another architecture is a target too: one without machines, on which every rule is unsupported.

    Raises:
        UsageError: there is no such image, it is damaged, it is no driver, or none of a device that there is here.

    """

    revision = Revision.UEFI_2_7

    def __init__(self, name: str, choices: Choices, *, limits: Limits | None = None) -> None:
        self._place = place_of(name)
        self._limits = limits or Limits()
        self._unpacked: Unpacked | None = None
        self._nursery = Nursery(self._place.name)
        self._driver = False
        self._limit: tuple[str, ...] = ()
        self._choice = choices.device
        self._probed = Probed(iommu=True, missing=())
        try:
            self._unpacked = unpack(name, choices)
            self._driver = is_driver(self._unpacked.package.image)
            self._check_choice(self._unpacked)
            self._limit = self._tried(self._unpacked)
        except Unsupported as unsupported:
            self._limit = (str(unsupported),)
        except BaseException:
            self.close()
            raise

    def _check_choice(self, unpacked: Unpacked) -> None:
        if self._driver and unpacked.package.inject:
            raise UsageError(f"expected an IOMMU driver with --inject, and {unpacked.name} is a device's driver")
        if self._choice and not self._driver:
            raise UsageError(f"expected a device's driver with --device, and {unpacked.name} is an IOMMU driver")
        if self._choice and order(self._choice).model.name not in WATCHED:
            fit = ", ".join(PREFIX + name for name in sorted(WATCHED))
            raise UsageError(f"no driver can be judged on the device {self._choice}", hint=f"those that fit: {fit}")
        if self._driver:
            program()

    def _tried(self, unpacked: Unpacked) -> tuple[str, ...]:
        """Start the binary once; returns the limits that showed."""
        device = self._choice or (ANY_DEVICE if self._driver else "")
        conversation = Conversation(self._nursery, Job(unpacked.origin, limits=self._limits, device=device))
        try:
            probed = conversation.answer(Request("dma", "", {}, "start"))
        except ForeignFailure:
            # The rules will tell, if an IOMMU driver it is.
            if not unpacked.package.image.mentions(IOMMU.guid):
                raise
            return ()
        finally:
            conversation.close()
        self._probed = probed
        if self._driver and not probed.device:
            raise UsageError(
                f"{unpacked.name} manages {self._choice or 'no device that QEMU has here'}".replace(
                    "manages qemu", "does not manage qemu"
                ),
                hint="name what it builds on by --with, and its device by --device; `sevconf list devices` shows them",
            )
        if not self._driver and not probed.iommu:
            raise UsageError(
                f"{unpacked.name} starts, and installs no {IOMMU.name}",
                hint="this version judges binaries that are IOMMU drivers",
            )
        return tuple(f"it looked in vain for {PROTOCOL_NAMES.get(guid, guid)}" for guid in probed.missing)

    @property
    def parties(self) -> frozenset[Party]:
        """What it is."""
        return frozenset({Party.DRIVER if self._driver else Party.IOMMU_DRIVER})

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All, or those of a machine with a driver of its kind; a binary's services are never made to fail."""
        if not self._driver:
            return frozenset(Capability)
        found = capabilities_of("block" if self._probed.disk else "device")
        return found - {Capability.SHORTAGE, Capability.WRITE_IN_FLIGHT}

    @property
    def kinds(self) -> frozenset[MachineKind]:
        """An SEV guest; none if the image cannot run here."""
        return frozenset() if self._unpacked is None else frozenset({MachineKind.SEV})

    @cached_property
    def identity(self) -> Identity:
        """What is judged: the image, and the package of its file."""
        sha256 = "" if self._unpacked is None else self._unpacked.package.image.sha256
        package, package_version = package_of(self._place.path)
        inject = () if self._unpacked is None else self._unpacked.package.inject
        tools = (*((tool, version(tool)) for tool in _TOOLS), *((("--inject", inject),) if inject else ()))
        if self._driver:
            tools += (("qemu", qemu_version()), ("device", self._probed.device))
        return Identity(self._place.name, "binary", sha256, package, package_version, tools, self._limit)

    def open(self, kind: MachineKind, seed: int) -> RemoteMachine:
        """Return a fresh machine, in a fresh worker."""
        if self._unpacked is None or kind not in self.kinds:
            raise Unsupported(f"the target has no machine of kind {kind.value}")
        return RemoteMachine(self._nursery, self.job(kind, seed))

    def job(self, kind: MachineKind, seed: int) -> Job:
        """Return what a worker of its machine is for."""
        if self._unpacked is None:
            raise Unsupported(f"the target has no machine of kind {kind.value}")
        probed = self._probed
        return Job(self._unpacked.origin, kind, seed, self._limits, device=probed.device, disk=probed.disk)

    def close(self) -> None:
        """End the nursery, and take the unpacked image away."""
        self._nursery.close()
        if self._unpacked is not None:
            self._unpacked.close()


def package_of(path: Path) -> tuple[str, str]:
    """Return Debian's package of a file and its version, or nothing where there is none."""
    if shutil.which("dpkg-query") is not None:
        with suppress(subprocess.SubprocessError, OSError):
            owner = _dpkg("--search", str(path.resolve())).partition(":")[0]
            return owner, _dpkg("--show", "--showformat=${Version}", owner)
    return "", ""


def _dpkg(*arguments: str) -> str:
    return subprocess.run(
        ["dpkg-query", *arguments],  # noqa: S607 -- wherever the system has it
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout
