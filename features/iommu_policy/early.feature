@IOM
Feature: How the tables come, and what PciIo does when access is refused

  @IOM-20 @iommu-driver @beyond-uefi @T26 @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services @needs-iommu-policy
  Rule: What is mapped before the tables are installed is refused, or works once they are there
    Source: EDK II edk2-platforms 12e102a48b, IntelVTdDxe: Map, AllocateBuffer and SetAttribute return EFI_NOT_READY until
    the tables are set up; before, requests were noted and granted later, or an assertion failed (99484dd740).
    Mend: Return EFI_NOT_READY from Map and AllocateBuffer until translation is on, or note each grant and enter it when
    the tables are built.

    @IOM-20.1
    Scenario Outline: A driver that comes before the tables
      Given an IOMMU driver that cannot install its tables yet
      And a page that is mapped as <operation> before they are there
      When the tables are installed
      Then that Map was refused with EFI_NOT_READY, or the bus master reaches what it mapped
      And the bus master reaches what is mapped as <operation> now

      Examples:
        | operation      |
        | BusMasterRead  |
        | BusMasterWrite |

  @IOM-21 @iommu-driver @beyond-uefi @T28 @on-vtd-open @on-vtd-keep @needs-dma-client @needs-os-loader @needs-iommu-policy
  Rule: Each write of the global command register changes one thing, and repeats no command that acts once
    Source: EDK II edk2-platforms 658e319d8b, IntelVTdDxe/VtdReg.c: the status register shows one-shot commands as set,
    so they are cleared from what was read before it is written back.
    Mend: Read the status register, clear the one-shot bits (mask 0x96FFFFFF), change one bit, and write that.

    @IOM-21.1
    Scenario: From the installation of the tables to the OS
      Given a common buffer of 4096 bytes that is mapped
      When the OS loader takes the machine over
      Then the IOMMU driver changed one thing with each command

  @IOM-22 @pci @uefi @S21 @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services @needs-iommu-policy
  Rule: A Map whose access the IOMMU driver refuses fails, and leaves nothing mapped
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): EFI_SUCCESS says that the range was mapped. EDK II
    MdeModulePkg/Bus/Pci/PciBusDxe/PciIo.c, PciIoMap, returns SetAttribute's status since 049695a0b1.
    Mend: Check the status of SetAttribute in Map, and if it is an error unmap and return it.

    @IOM-22.1
    Scenario Outline: There are no resources for another grant
      Given a common buffer of 4096 bytes that is mapped
      And an IOMMU driver that refuses every grant from now on
      When a page is mapped as <operation>
      Then Map returns an error, and leaves nothing mapped

      Examples:
        | operation      |
        | BusMasterRead  |
        | BusMasterWrite |
