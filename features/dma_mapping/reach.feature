@DMA
Feature: Where the addresses of a bus master end
  A device is told by its driver, through the attribute DUAL_ADDRESS_CYCLE, to be one that addresses 64 bits; all others
  end at 4 GiB, wherever their drivers' buffers lie.

  @DMA-18 @iommu-driver @uefi @S28 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services @needs-guest-memory
  Rule: Map serves buffers on either side of 4 GiB and across it, at addresses that the bus master has
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map() and Attributes(), on EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE; EDK II
    MdeModulePkg/Bus/Pci/PciHostBridgeDxe/PciRootBridgeIo.c, RootBridgeIoMap, and OvmfPkg/IoMmuDxe/CcIoMmu.c, IoMmuMap.
    Mend: Compare the end of the buffer with 4 GiB, and where a bus master of 32 bits can't reach it, bounce through pages
    allocated below.

    @DMA-18.1
    Scenario Outline: Data of a client, wherever they lie
      Given a device with DUAL_ADDRESS_CYCLE <attribute>
      And a client's <bytes> bytes that lie <place> 4 GiB
      When they are mapped as <operation>, carry data and are unmapped
      Then the bus master can address all of it
      And each side has what the other wrote

      Examples:
        | attribute | bytes | place       | operation      |
        | disabled  | 4096  | right below | BusMasterRead  |
        | disabled  | 8192  | right below | BusMasterWrite |
        | disabled  | 8192  | across      | BusMasterRead  |
        | disabled  | 512   | across      | BusMasterWrite |
        | disabled  | 4096  | right above | BusMasterRead  |
        | disabled  | 8192  | right above | BusMasterWrite |
        | disabled  | 512   | far above   | BusMasterRead  |
        | disabled  | 4096  | far above   | BusMasterWrite |
        | enabled   | 512   | right below | BusMasterRead  |
        | enabled   | 8192  | across      | BusMasterWrite |
        | enabled   | 512   | right above | BusMasterWrite |
        | enabled   | 8192  | far above   | BusMasterRead  |

  @DMA-19 @iommu-driver @uefi @S28 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services @needs-guest-memory
  Rule: AllocateBuffer gives a bus master common buffers that it can address
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.AllocateBuffer(), pages fit for BusMasterCommonBuffer; EDK II
    OvmfPkg/IoMmuDxe/CcIoMmu.c, IoMmuAllocateBuffer: below 4 GiB without DUAL_ADDRESS_CYCLE, as nothing can bounce there.
    Mend: Allocate with AllocateMaxAddress and 4 GiB - 1 unless the attribute DUAL_ADDRESS_CYCLE is asked for.

    @DMA-19.1
    Scenario Outline: A common buffer
      Given a device with DUAL_ADDRESS_CYCLE <attribute>
      When a client takes a common buffer of <pages> pages, and data go both ways
      Then the bus master can address all of it
      And each side has what the other wrote

      Examples:
        | attribute | pages |
        | disabled  | 1     |
        | disabled  | 40    |
        | enabled   | 3     |

  @DMA-20 @pci @uefi @S28 @on-none @on-sev @on-vtd-open @needs-dma-client
  Rule: PciIo asks the root bridge for the 64-bit form of an operation just when DUAL_ADDRESS_CYCLE is enabled
    Source: UEFI 2.10, 14.2 EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL.Map() and AllocateBuffer(); EDK II
    MdeModulePkg/Bus/Pci/PciBusDxe/PciIo.c, PciIoMap and PciIoAllocateBuffer.
    Mend: Look at the device's attribute in Map and in AllocateBuffer, each time.

    @DMA-20.1
    Scenario Outline: Six operations out of three
      Given a device with DUAL_ADDRESS_CYCLE <attribute>
      When a client takes a buffer and maps it as <operation>
      Then the root bridge was asked for memory and a mapping of the <form> form

      Examples:
        | attribute | operation             | form   |
        | disabled  | BusMasterRead         | plain  |
        | disabled  | BusMasterWrite        | plain  |
        | disabled  | BusMasterCommonBuffer | plain  |
        | enabled   | BusMasterRead         | 64-bit |
        | enabled   | BusMasterWrite        | 64-bit |
        | enabled   | BusMasterCommonBuffer | 64-bit |
