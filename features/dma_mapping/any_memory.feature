@DMA
Feature: What Map may ask of its callers
  Read and Write mappings take any memory of the guest; only a common buffer comes from AllocateBuffer.

  @DMA-09 @iommu-driver @proposal @T08 @on-sev @needs-dma-client
  Rule: The first mapping of a common buffer takes no memory, and its Unmap gives none back
    Source: EDK II OvmfPkg/IoMmuDxe, AllocateBuffer: it takes the stash for the whole buffer beforehand, and could take
    the mapping's record with it. The UEFI specification does not ask for it.
    Mend: Take the record of a common buffer's first mapping in AllocateBuffer, beside the stash, and give both back in
    FreeBuffer.

    @DMA-09.1
    Scenario Outline: Memory services inside Map and Unmap
      Given a buffer of <pages> pages from AllocateBuffer
      When <bytes> bytes of it are mapped as a common buffer and unmapped
      Then the IOMMU driver called no memory allocation service meanwhile

      Examples:
        | pages | bytes |
        | 1     | 512   |
        | 1     | 4096  |
        | 3     | 8200  |

  @DMA-10 @iommu-driver @uefi @T09 @on-none @on-sev @needs-dma-client @needs-core-services
  Rule: Read and Write mappings work on memory that never came from AllocateBuffer
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): only BusMasterCommonBuffer asks for memory from AllocateBuffer.
    Mend: Let Map for BusMasterRead and BusMasterWrite bounce whatever memory it is given, and look for AllocateBuffer's
    record only for a common buffer.

    @DMA-10.1
    Scenario Outline: Memory of any origin
      Given a client's 512 bytes from <origin>
      When they are mapped as <operation> and unmapped
      Then Map and Unmap return EFI_SUCCESS

      Examples:
        | origin                             | operation      |
        | AllocatePool                       | BusMasterRead  |
        | AllocatePool                       | BusMasterWrite |
        | AllocatePages                      | BusMasterRead  |
        | AllocatePages                      | BusMasterWrite |
        | AllocatePages, RuntimeServicesData | BusMasterRead  |
        | AllocatePages, RuntimeServicesData | BusMasterWrite |
        | AllocateBuffer                     | BusMasterRead  |
        | AllocateBuffer                     | BusMasterWrite |

  @DMA-11 @iommu-driver @uefi @T33 @on-none @on-sev @needs-block-driver
  Rule: An IOMMU driver refuses nothing to a driver that keeps to the specification
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL: the interface is the same with and without an IOMMU.
    Mend: Ask in Map for nothing that PciIo does not ask for, and serve each call that would succeed without an IOMMU.

    @DMA-11.1
    Scenario: A conforming driver's whole life
      When a conforming driver is taken through the whole life of its disk
      Then every call of PciIo that it made returned EFI_SUCCESS

    @DMA-11.2 @needs-os-loader
    Scenario: A conforming driver, and a machine that is handed over under it
      Given a conforming driver has been taken through the whole life of its disk
      And a conforming driver is at work again
      When the OS loader takes the machine over
      Then every call of PciIo that it made returned EFI_SUCCESS

  @DMA-15 @iommu-driver @unspecified @S28 @on-none @on-sev @needs-dma-client @needs-core-services
  Rule: What Map does with no bytes at all is left open
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map() says nothing on a NumberOfBytes of zero.
    Mend: Nothing is to mend: success and refusal both conform.

    @DMA-15.1
    Scenario Outline: A length of zero
      When a client maps 0 bytes as <operation>
      Then it is answered what Map returned

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |
