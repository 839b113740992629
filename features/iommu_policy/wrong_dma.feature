@IOM
Feature: The same wrong DMA behind VT-d and under SEV
  A device uses an address that nobody mapped for it. What becomes of that differs, and who notices it too.

  @IOM-11 @iommu-driver @beyond-uefi @T49 @on-sev @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services
  Rule: A wrong access faults behind VT-d and changes nothing; under SEV it does not fault and leaves garbage
    Source: Linux, drivers/iommu/intel/dmar.c, dmar_fault; Linux, Documentation/arch/x86/amd-memory-encryption.rst: a
    device reads and writes DRAM as it lies. So is it with SEV and SEV-ES; under SEV-SNP the host's access is refused.
    Mend: Check source, page and direction before a byte is moved behind VT-d, and give the device DRAM as it lies under
    SEV.

    @IOM-11.1 @on-vtd-open @on-vtd-keep
    Scenario Outline: Behind VT-d
      Given a common buffer of 4096 bytes that is mapped
      And a page with a secret that nobody has mapped
      When the bus master <act> that page
      Then the access faults, and the page is as it was

      Examples:
        | act       |
        | reads     |
        | writes to |

    @IOM-11.2 @on-sev
    Scenario Outline: Under SEV
      Given a common buffer of 4096 bytes that is mapped
      And a page with a secret that nobody has mapped
      When the bus master <act> that page
      Then nothing faults, and <who> reads garbage

      Examples:
        | act       | who            |
        | reads     | the bus master |
        | writes to | the guest      |
