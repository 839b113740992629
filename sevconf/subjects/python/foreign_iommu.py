"""Choices before drivers start, where the IOMMU driver is foreign: its own are seen, others are the scenario's."""

from sevconf.contract import IommuVariant
from sevconf.errors import Unsupported
from sevconf.model.machine import ReferenceMachine
from sevconf.subjects.reference import SetupFacet
from sevconf.trace import EventCreated
from sevconf.vocabulary import EventGroup, Tpl


class ForeignIommuSetup(SetupFacet):
    """The disk's and keyboard's drivers are the reference's, so what they do can be chosen."""

    def __init__(self, machine: ReferenceMachine) -> None:
        super().__init__(machine)
        self._iommus_machine = machine

    def iommu_handler(self, tpl: Tpl) -> None:
        """Start the IOMMU driver, and look at the level of its exit handler: another one is not to be had."""
        machine = self._iommus_machine
        actor = machine.iommu.actor
        group = EventGroup.EXIT_BOOT_SERVICES.value
        levels = [e.notify_tpl for e in machine.trace.of(EventCreated) if (e.actor, e.group) == (actor, group)]
        if tpl not in levels:
            own = " and ".join(map(str, levels)) or "nowhere"
            raise Unsupported(f"the foreign IOMMU driver has its exit handler at {own}, not at {tpl}")

    def opening_iommu(self) -> None:
        """Refuse."""
        raise Unsupported("the IOMMU driver of this machine is the foreign one, not one that opens all RAM")

    def iommu_variant(self, variant: IommuVariant) -> None:
        """Refuse."""
        raise Unsupported(f"the IOMMU driver of this machine is the foreign one, not {variant}")
