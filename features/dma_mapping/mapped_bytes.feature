@DMA
Feature: The mapped bytes, and those around them

  @DMA-16 @iommu-driver @beyond-uefi @S29 @on-sev @needs-dma-client @needs-core-services @needs-guest-memory
  Rule: Only mapped bytes go through the bounce, whatever lies in their pages
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): NumberOfBytes is what is mapped; EDK II OvmfPkg/IoMmuDxe,
    CcIoMmu.c copies as many bytes, and not pages, to the bounce and back. A common buffer is opened by whole pages.
    Mend: Copy NumberOfBytes from HostAddress to the bounce and back, and leave the rest of the first and last page out
    of both copies.

    @DMA-16.1 @needs-dram-dump
    Scenario Outline: Another secret in the pages of what a bus master reads
      Given <bytes> bytes are mapped as BusMasterRead, <offset> bytes into pages that are full of another secret
      When the hypervisor is compromised
      Then the attacker finds none of the other secret

      Examples:
        | bytes | offset |
        | 100   | 0      |
        | 100   | 2000   |
        | 4097  | 0      |
        | 4097  | 2000   |

    @DMA-16.2
    Scenario Outline: Bytes around what a bus master writes
      Given <bytes> bytes are mapped as BusMasterWrite, <offset> bytes into pages that are full of other bytes
      When the bus master has written all of them, and they are unmapped
      Then no byte around them has changed

      Examples:
        | bytes | offset |
        | 100   | 0      |
        | 100   | 2000   |
        | 4097  | 0      |
        | 4097  | 2000   |
