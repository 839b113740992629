"""The parts of a worker's machine: a vendor's class, a binary, or the model, and a binary IOMMU driver beneath it."""
# ruff: noqa: PLC0415 -- what binaries need is loaded for binaries only

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from sevconf.errors import ForeignFailure
from sevconf.model.iommu.base import Iommu
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.subjects.binary.origin import BinaryOrigin, ModelOrigin
from sevconf.subjects.python import vendors
from sevconf.subjects.python.border import Border
from sevconf.subjects.python.job import Job
from sevconf.subjects.python.load import class_of, describe, origin_of
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.machine import QemuMachine
from sevconf.subjects.qemu.models import is_qemu
from sevconf.vocabulary import MachineKind

if TYPE_CHECKING:
    from sevconf.model.boot_services import Core
    from sevconf.model.guest import Guest
    from sevconf.model.iommu.base import MappingLedger
    from sevconf.subjects.binary.ground import Ground


def prepare(binaries: Iterable[BinaryOrigin]) -> None:
    """Load what the workers of these binaries need, before they are forked."""
    from sevconf.subjects.binary.inject import drivers

    del drivers
    for binary in binaries:
        binary.package()


def machine(job: Job, kind: MachineKind, border: Border, bench: Bench | None) -> ReferenceMachine:
    """Return a job's machine."""
    if not job.binaries:
        made = _parts(job, border, None)
        return ReferenceMachine(kind, job.seed, made) if bench is None else QemuMachine(kind, job.seed, bench, made)
    from sevconf.subjects.binary.ground import Ground, machine_with_driver

    ground = Ground(_Judge(border))
    made = _parts(job, border, ground)
    if bench is None:
        return ReferenceMachine(kind, job.seed, made)
    if isinstance(job.origin, BinaryOrigin):
        package = job.origin.package()
        return machine_with_driver(package, kind, job.seed, bench, ground, made, disk=job.disk)
    return QemuMachine(kind, job.seed, bench, made)


def _parts(job: Job, border: Border, ground: "Ground | None") -> Parts:
    match job.origin:
        case BinaryOrigin():
            found = Parts() if job.device else Parts(iommu=_binary_iommu(job.origin, ground))
        case ModelOrigin():
            found = _model(job.origin.name)
        case _:
            vendor = border.out(class_of, job.origin)
            model = border.out(class_of, origin_of(job.device)) if job.device and not is_qemu(job.device) else None
            found = vendors.parts(vendor, job.origin, border, model)
    return found if job.iommu is None else replace(found, iommu=_binary_iommu(job.iommu, ground))


def description(job: Job, border: Border, bench: Bench | None) -> Any:
    """
    Say what is known of a job's subject.

    Raises:
        UsageError: it does not fit.
        ForeignFailure: a binary failed while it was tried.

    """
    match job.origin:
        case BinaryOrigin():
            from sevconf.subjects.binary.probe import probe

            border.asked = "start"
            return probe(job.origin.package(), _Judge(border), bench)
        case ModelOrigin():
            return None
        case _:
            return describe(job.origin, job.device)


def _model(name: str) -> Parts:
    from sevconf.subjects.reference import ReferenceTarget
    from sevconf.subjects.registry import resolve

    target = resolve(name)
    return target.parts if isinstance(target, ReferenceTarget) else Parts()


class _Judge:
    """Tells the suite of a binary's failure, over the border."""

    def __init__(self, border: Border) -> None:
        self._border = border

    def fail(self, culprit: str, how: str) -> NoReturn:
        """Fail on behalf of a binary."""
        self._border.fail(ForeignFailure(culprit, self._border.act, how))


def _binary_iommu(origin: BinaryOrigin, ground: "Ground | None") -> Any:
    def iommu(core: "Core", guest: "Guest", ledger: "MappingLedger", **_: object) -> Iommu:
        from sevconf.subjects.binary.inject.drivers import driver_type

        if ground is None:
            raise TypeError("a binary needs a ground")
        package = origin.package()
        return driver_type(package.inject)(package, core, guest, ledger, judge=ground.judge, ground=ground)

    return iommu
