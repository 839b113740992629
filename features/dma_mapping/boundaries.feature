@DMA
Feature: Map at its boundaries
  Length, place in a page and mappings side by side; rows hold every pair of values of two columns.

  @DMA-14 @iommu-driver @uefi @S28 @on-none @on-sev @needs-dma-client @needs-core-services @needs-guest-memory
  Rule: Map serves any length at any place, and mappings side by side do not disturb each other
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map() and Unmap(): HostAddress and NumberOfBytes have no grain, and a
    HostAddress that cannot be mapped as a common buffer is EFI_UNSUPPORTED: rows on parts of one are `unsupported` then.
    EDK II XhciDxe c3eb7f5d3e and issue 9771 are bugs of the field at such boundaries.
    Mend: Compute first and last page from address and length, count how many live mappings hold each page open, and
    close it with the last of them.

    @DMA-14.1
    Scenario Outline: Data go through a mapping of any length and place, with another one beside it
      Given a <operation> mapping of <bytes> bytes that begins <offset> bytes into a page
      And another one of 64 bytes, <neighbour>
      When they carry data, <first> is unmapped first, and what is left carries data again
      Then each side has what the other wrote
      And no byte beside the mapped ones has changed

      Examples:
        | operation             | bytes | offset | neighbour       | first     |
        | BusMasterRead         | 1     | 0      | nowhere         | it        |
        | BusMasterWrite        | 100   | 1      | right before it | it        |
        | BusMasterCommonBuffer | 4095  | 16     | right behind it | it        |
        | BusMasterCommonBuffer | 4096  | 4095   | right before it | the other |
        | BusMasterWrite        | 4097  | 4095   | nowhere         | it        |
        | BusMasterRead         | 12288 | 16     | right before it | the other |
        | BusMasterWrite        | 12288 | 0      | right behind it | the other |
        | BusMasterRead         | 4096  | 1      | right behind it | it        |
        | BusMasterCommonBuffer | 4097  | 1      | nowhere         | it        |
        | BusMasterCommonBuffer | 100   | 0      | nowhere         | it        |
        | BusMasterRead         | 4095  | 4095   | nowhere         | it        |
        | BusMasterWrite        | 1     | 16     | nowhere         | it        |
        | BusMasterWrite        | 4095  | 1      | right before it | the other |
        | BusMasterRead         | 4097  | 0      | right before it | the other |
        | BusMasterCommonBuffer | 1     | 4095   | right behind it | the other |
        | BusMasterCommonBuffer | 12288 | 4095   | nowhere         | it        |
        | BusMasterRead         | 100   | 4095   | right behind it | the other |
        | BusMasterWrite        | 4096  | 0      | nowhere         | it        |
        | BusMasterWrite        | 1     | 1      | right before it | it        |
        | BusMasterWrite        | 4097  | 16     | right behind it | it        |
        | BusMasterWrite        | 4096  | 16     | nowhere         | it        |
        | BusMasterWrite        | 100   | 16     | nowhere         | it        |
        | BusMasterWrite        | 12288 | 1      | nowhere         | it        |
        | BusMasterWrite        | 4095  | 0      | nowhere         | it        |
