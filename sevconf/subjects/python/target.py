"""A vendor's class as a target: it provides the party of its role, the reference machine the rest."""

import hashlib
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sevconf.contract import Capability, Identity
from sevconf.errors import ForeignFailure, Unsupported, UsageError
from sevconf.subjects.python.job import Job
from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.line import Request
from sevconf.subjects.python.load import Description, Origin, origin_of
from sevconf.subjects.python.nursery import Nursery
from sevconf.subjects.python.remote import Conversation, RemoteMachine
from sevconf.subjects.python.roles import OWN_CHOICES, capabilities_of
from sevconf.subjects.qemu.machine import KINDS as QEMU_KINDS
from sevconf.subjects.qemu.models import MODELS, PREFIX, is_qemu, order
from sevconf.subjects.qemu.process import program, version
from sevconf.vocabulary import MachineKind, Party, Revision


class PythonTarget:
    """
    A class named `path.py:Class` or `module:Class`; making one imports it in a worker and looks whether it fits.

    `device` is what a driver of kind `device` is tried on, if not on what its class names.
    `nursery` is where workers come from, if somebody lends it; else the target has one of its own.

    Raises:
        UsageError: there is no such class, it doesn't fit the contract, or its import raises, hangs, exits or dies.

    """

    revision = Revision.UEFI_2_10

    def __init__(
        self, name: str, *, limits: Limits | None = None, nursery: Nursery | None = None, device: str = ""
    ) -> None:
        self._origin = origin_of(name)
        self._device = device
        if is_qemu(device):
            _check_device(device)
        elif device:
            origin_of(device)
        self._limits = limits or Limits()
        self._own = nursery is None
        self._nursery = nursery or Nursery(self._origin.name)
        try:
            self._description = self._describe()
            self._origin = replace(self._origin, role=self._description.role)
        except BaseException:
            self.close()
            raise

    def _describe(self) -> Description:
        conversation = Conversation(self._nursery, Job(self._origin, limits=self._limits, device=self._device))
        try:
            description = conversation.answer(Request("driver", "", {}, "be imported"))
        except ForeignFailure as failure:
            raise UsageError(f"{self._origin.name} cannot be imported: it {failure.how}") from failure
        finally:
            conversation.close()
        if not isinstance(description, Description):
            raise UsageError(f"{self._origin.name} cannot be imported: it answers for its worker")
        return description

    @property
    def origin(self) -> Origin:
        """Where the class is."""
        return self._origin

    @property
    def parties(self) -> frozenset[Party]:
        """The party whose role the class plays."""
        return frozenset({Party(self._description.role)})

    @property
    def kinds(self) -> frozenset[MachineKind]:
        """Machines that have such a party."""
        if self._description.role == "iommu-driver":
            return frozenset({MachineKind.SEV})
        if is_qemu(self._device):
            return QEMU_KINDS
        return frozenset(MachineKind)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All of the reference's, but what foreign code decides for itself, and drivers of other devices."""
        kind = self._description.kind
        if kind is None:
            return frozenset(Capability) - OWN_CHOICES
        found = capabilities_of(kind)
        return found if self._description.queueing else found - {Capability.WRITE_IN_FLIGHT}

    @cached_property
    def identity(self) -> Identity:
        """What is judged: the file that has the class."""
        sha256 = hashlib.sha256(Path(self._description.file).read_bytes()).hexdigest()
        tools = (("qemu", version()), ("device", self._device)) if is_qemu(self._device) else ()
        return Identity(
            self._origin.name, "python", sha256, self._description.package, self._description.version, tools
        )

    def open(self, kind: MachineKind, seed: int) -> RemoteMachine:
        """Return a fresh machine, in a fresh worker."""
        if kind not in self.kinds:
            raise Unsupported(f"the target has no machine of kind {kind.value}")
        return RemoteMachine(self._nursery, Job(self._origin, kind, seed, self._limits, device=self._device))

    def close(self) -> None:
        """End the nursery, unless it was lent."""
        if self._own:
            self._nursery.close()


def _check_device(device: str) -> None:
    """Look whether QEMU is there, and has that device, and it is one for Python drivers."""
    if not order(device).model.for_python:
        fit = ", ".join(PREFIX + model.name for model in MODELS.values() if model.for_python)
        hint = f"those of which rules can see whether they run, and to which something can happen: {fit}"
        raise UsageError(f"no Python driver can be judged on the device {device}", hint=hint)
    program()
