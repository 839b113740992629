"""What a target can do, as a closed list: a rule names its needs by tags, a target declares what it has."""

from enum import Enum


class Capability(Enum):
    """An ability that a scenario may need, by the name of its tag `@needs-…`."""

    #: Data accesses, fetches and page-table entries of the guest, one by one.
    GUEST_MEMORY = "guest-memory"
    #: The whole of DRAM can be read from the host's side and searched.
    DRAM_DUMP = "dram-dump"
    #: Events, memory services and ExitBootServices can be called one by one.
    CORE_SERVICES = "core-services"
    #: PciIo can be called one by one, for a bus master that the scenario itself drives.
    DMA_CLIENT = "dma-client"
    #: A driver and its disk can be taken through a storyline.
    BLOCK_DRIVER = "block-driver"
    #: The driver can leave a write in flight (BlockIo2).
    WRITE_IN_FLIGHT = "write-in-flight"
    #: A driver and its keyboard can be taken through a storyline.
    KEYBOARD_DRIVER = "keyboard-driver"
    #: A keyboard driver that maps each transfer by itself can be chosen.
    KEYBOARD_TRANSFERS = "keyboard-transfers"
    #: A driver and its network card can be taken through a storyline.
    NETWORK_DRIVER = "network-driver"
    #: A driver and a device that it brings itself can be taken through a storyline.
    DEVICE_DRIVER = "device-driver"
    #: The levels of the handlers of driver and IOMMU driver can be chosen.
    HANDLER_TPL = "handler-tpl"
    #: A timer's notification can be let in while the IOMMU driver is inside Map.
    INTERRUPTS = "interrupts"
    #: Services that a driver calls can be made to fail for want of resources, or to give less than asked for.
    SHORTAGE = "shortage"
    #: An OS loader takes the machine over.
    OS_LOADER = "os-loader"
    #: The IOMMU can be used beside PciIo: grants, devices that nobody drives, an OS that takes it over.
    IOMMU_POLICY = "iommu-policy"

    @property
    def tag(self) -> str:
        """The tag that asks for it, without the @."""
        return f"needs-{self.value}"
