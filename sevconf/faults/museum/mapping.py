"""Bugs of shipped code around Map, starts and waits, whose mechanism a made-up machine has already."""

from sevconf.faults.driver_starts import IgnoresMappedLength, StaysRegistered
from sevconf.faults.exit_duties import LogsToOtherDisk, WaitsForTimer
from sevconf.faults.fault import Fault
from sevconf.faults.iommu_boundaries import ClosesSharedPage, OneLargeSlot, ReservesLate
from sevconf.model.parts import Parts
from sevconf.vocabulary import Party


class ReservesOutsideTheLock(ReservesLate):
    """Hands one bounce buffer out twice when a timer's notification maps in the middle of Map."""


class RepeatsLargeSlot(OneLargeSlot):
    """Marks the wrong bit of its pool, so that the same large bounce buffer is given again and again."""


class UnmapsTheNeighbourToo(ClosesSharedPage):
    """Closes a page at the Unmap of one buffer, while another buffer in that page is still mapped."""


class FreesWhatWasMappedInPart(IgnoresMappedLength):
    """Takes the success of Map for the whole, when fewer bytes were mapped than it asked for."""


class StaysBehindItsImage(StaysRegistered):
    """Fails to start, and leaves a notification function behind."""


class PollsStoppedTimer(WaitsForTimer):
    """Waits in its exit handler for a timer that the core has stopped by then."""


class FlushesAtExit(LogsToOtherDisk):
    """Writes what it had kept back through another driver, in its exit handler."""


FAULTS = (
    Fault(
        "museum-reserves-outside-the-lock",
        Party.IOMMU_DRIVER,
        Parts(iommu=ReservesOutsideTheLock),
        ("DMA-13",),
        upstream="tianocore/edk2#4665, OvmfPkg/IoMmuDxe/IoMmuBuffer.c",
        fixed_in="tianocore/edk2 52ab4f0e98, b194320f5d",
    ),
    Fault(
        "museum-repeats-large-slot",
        Party.IOMMU_DRIVER,
        Parts(iommu=RepeatsLargeSlot),
        ("DMA-13",),
        upstream="tianocore/edk2#11624, OvmfPkg/IoMmuDxe/IoMmuBuffer.c",
        fixed_in="tianocore/edk2 3b864a1452",
    ),
    Fault(
        "museum-unmaps-the-neighbour-too",
        Party.IOMMU_DRIVER,
        Parts(iommu=UnmapsTheNeighbourToo),
        ("DMA-14",),
        upstream="tianocore/edk2 MdeModulePkg/Bus/Pci/XhciDxe, two pool allocations in one page",
        fixed_in="tianocore/edk2 c3eb7f5d3e, in the driver",
    ),
    Fault(
        "museum-maps-in-part",
        Party.DRIVER,
        Parts(driver=FreesWhatWasMappedInPart),
        ("DRV-40",),
        (("DRV-05", "a device does DMA only inside what was mapped for it"),),
        upstream="tianocore/edk2#9771",
    ),
    Fault(
        "museum-stays-behind",
        Party.DRIVER,
        Parts(driver=StaysBehindItsImage),
        ("DRV-41",),
        upstream="ipxe/ipxe#233",
    ),
    Fault(
        "museum-polls-stopped-timer",
        Party.DRIVER,
        Parts(driver=PollsStoppedTimer),
        ("DRV-32",),
        upstream="ipxe/ipxe#1136",
    ),
    Fault(
        "museum-flushes-at-exit",
        Party.DRIVER,
        Parts(driver=FlushesAtExit),
        ("DRV-33",),
        upstream="tianocore/edk2 FatPkg/EnhancedFatDxe, a first remedy for data that were lost at exit",
        fixed_in="tianocore/edk2 12c5ded287, 6bcb50f99a",
    ),
)
