"""What a scenario may choose beside a foreign IOMMU driver, which chose its own level already."""

from sevconf.contract import IommuVariant
from sevconf.errors import Unsupported
from sevconf.subjects.reference import SetupFacet
from sevconf.trace import EventCreated, Trace
from sevconf.vocabulary import EventGroup, Tpl


def handler_levels(trace: Trace, actor: str) -> frozenset[Tpl]:
    """Return the levels at which an actor has its ExitBootServices handlers queued."""
    created = (entry for entry in trace.of(EventCreated) if entry.actor == actor)
    levels = (e.notify_tpl for e in created if e.group == EventGroup.EXIT_BOOT_SERVICES.value)
    return frozenset(level for level in levels if level is not None)


class OwnLevelSetup(SetupFacet):
    """
    The reference's choices about its own drivers; the foreign IOMMU driver is started, and its level observed.

    Raises:
        Unsupported: the row needs another level than the driver's own, or another IOMMU driver.

    """

    def iommu_handler(self, tpl: Tpl) -> None:
        """Let rows of the driver's own level pass."""
        actor = self._machine.iommu.actor
        levels = handler_levels(self._machine.trace, actor)
        if tpl not in levels:
            own = " and ".join(str(level) for level in sorted(levels))
            found = f"is queued at {own}" if own else "does not exist"
            raise Unsupported(f"the ExitBootServices handler of {actor} {found}, and this row is about {tpl}")

    def opening_iommu(self) -> None:
        """Refuse."""
        raise Unsupported("the IOMMU driver of this machine is the foreign one, not one that opens all RAM")

    def iommu_variant(self, variant: IommuVariant) -> None:
        """Refuse."""
        raise Unsupported(f"the IOMMU driver of this machine is the foreign one, not {variant}")

    def deferring_driver(self, *, tpl: Tpl) -> None:
        """Refuse: what comes of two deferrals is a limit of the reference, and no duty of another driver."""
        raise Unsupported(f"a driver that defers its halt at {tpl} shows a limit of the reference's IOMMU driver")
