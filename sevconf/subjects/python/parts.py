"""The parts of a worker's machine: a vendor's class, a binary, or the model, and a binary IOMMU driver beneath it."""
# ruff: noqa: PLC0415 -- what binaries need is loaded for binaries only

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from sevconf.errors import ForeignFailure
from sevconf.model.iommu.base import Iommu
from sevconf.model.parts import Parts
from sevconf.subjects.binary.origin import BinaryOrigin, ModelOrigin
from sevconf.subjects.python import vendors
from sevconf.subjects.python.border import Border
from sevconf.subjects.python.job import Job
from sevconf.subjects.python.load import class_of, describe, origin_of
from sevconf.subjects.qemu.models import is_qemu

if TYPE_CHECKING:
    from sevconf.model.boot_services import Core
    from sevconf.model.guest import Guest
    from sevconf.model.iommu.base import MappingLedger


def prepare(binaries: Iterable[BinaryOrigin]) -> None:
    """Load what the workers of these binaries need, before they are forked."""
    from sevconf.subjects.binary.inject import drivers

    del drivers
    for binary in binaries:
        binary.package()


def parts(job: Job, border: Border) -> Parts:
    """Return the parts of a job's machine."""
    match job.origin:
        case BinaryOrigin():
            found = Parts(iommu=_binary_iommu(job.origin, border))
        case ModelOrigin():
            found = _model(job.origin.name)
        case _:
            vendor = border.out(class_of, job.origin)
            model = border.out(class_of, origin_of(job.device)) if job.device and not is_qemu(job.device) else None
            found = vendors.parts(vendor, job.origin, border, model)
    return found if job.iommu is None else replace(found, iommu=_binary_iommu(job.iommu, border))


def description(job: Job, border: Border) -> Any:
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
            return probe(job.origin.package(), _Judge(border))
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


def _binary_iommu(origin: BinaryOrigin, border: Border) -> Any:
    def iommu(core: "Core", guest: "Guest", ledger: "MappingLedger", **_: object) -> Iommu:
        from sevconf.subjects.binary.inject.drivers import driver_type

        package = origin.package()
        return driver_type(package.inject)(package, core, guest, ledger, judge=_Judge(border))

    return iommu
