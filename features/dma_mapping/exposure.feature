@DMA
Feature: How much a mapping exposes, and for how long

  @DMA-03 @iommu-driver @beyond-uefi @T16 @on-sev @needs-dma-client @needs-guest-memory @needs-dram-dump
  Rule: Map opens no page but those that the mapping covers, and what it opened Unmap closes
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c: the C-bit is cleared for the pages of the buffer
    or its bounce, and set again by Unmap; pages of its pool (IoMmuBuffer.c) were shared before, and stay so.
    Mend: Compute the pages from the mapping's first byte and length, clear the C-bit of these alone, and set it again
    in Unmap.

    @DMA-03.1
    Scenario Outline: The pages around a mapped buffer stay private
      Given a live <operation> mapping of one page, with a secret in each private page beside its buffer
      When the hypervisor is compromised
      Then the attacker finds none of the neighbours' secrets
      And Map cleared the C-bit of no page beside those that the bus master reaches

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |

    @DMA-03.2
    Scenario Outline: What was opened is closed by Unmap
      Given a secret of 8192 bytes that a bus master moved through a <operation> mapping
      When that mapping is unmapped
      Then no page that Map opened is open any more

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |

  @DMA-04 @iommu-driver @beyond-uefi @S03 @on-sev @needs-dma-client @needs-dram-dump
  Rule: The tail of the last page, behind the mapped bytes, holds no plaintext after Unmap
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c: the C-bit changes for whole pages, so what lies behind NumberOfBytes on
    the last one is exposed with them.
    Mend: Rewrite whole pages, not NumberOfBytes, when a common buffer is made private.

    @DMA-04.1
    Scenario Outline: Somebody wrote behind the mapped bytes
      Given a mapped common buffer of 4196 bytes, and a secret that <writer> wrote behind them on its last page
      And that mapping is unmapped
      When the hypervisor is compromised
      Then the attacker finds no secret

      Examples:
        | writer         |
        | the bus master |
        | the client     |

  @DMA-05 @iommu-driver @beyond-uefi @S06 @on-sev @needs-dma-client @needs-core-services @needs-dram-dump
  Rule: Map of a common buffer exposes nothing that a former owner left in that memory
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c: Map(BusMasterCommonBuffer) rewrites what the pages hold through C=0, and
    AllocateBuffer takes them from the free memory of all drivers.
    Mend: Zero what AllocateBuffer returns before a Map can open it.

    @DMA-05.1
    Scenario Outline: A common buffer in memory that held a secret
      Given all free memory holds the secret of a former owner
      And a common buffer of <pages> pages from there is mapped
      When the hypervisor is compromised
      Then the attacker finds nothing of the former owner's secret

      Examples:
        | pages |
        | 1     |
        | 3     |

  @DMA-07 @iommu-driver @unspecified @T06 @on-sev @needs-dma-client @needs-core-services
  Rule: Whether Unmap changes the memory map in ordinary use is left to the IOMMU driver
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Unmap() says nothing on memory; EDK II's IOMMU drivers answer differently
    for different operations.
    Mend: Nothing is to mend: either answer conforms.

    @DMA-07.1
    Scenario Outline: Unmap outside ExitBootServices
      Given a secret of 512 bytes that a bus master moved through a <operation> mapping
      When that mapping is unmapped
      Then it is answered whether Unmap changed the memory map

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |

  @DMA-08 @iommu-driver @beyond-uefi @T06 @T19 @on-sev @needs-dma-client @needs-os-loader
  Rule: Unmap of a common buffer inside an exit handler allocates and releases no memory
    Source: EDK II OvmfPkg/VirtioBlkDxe and OvmfPkg/VirtioScsiDxe of September 2017 unmapped there and relied on it; the
    UEFI specification does not ask for it.
    Mend: Take what a common buffer's mapping needs in AllocateBuffer, and give it back in FreeBuffer.

    @DMA-08.1
    Scenario Outline: A client that unmaps at exit
      Given a secret that moves through a live BusMasterCommonBuffer mapping
      And its client unmaps it in an exit handler at <level>
      When the OS loader takes the machine over
      Then that Unmap succeeds without a memory allocation service

      Examples:
        | level        |
        | TPL_CALLBACK |
        | TPL_NOTIFY   |
