@IOM
Feature: What VT-d lets pass though no driver asked
  Some devices work before any driver does, and the platform says which memory they need.

  @IOM-03 @iommu-driver @beyond-uefi @T26 @on-vtd-open @on-vtd-keep @needs-dma-client @needs-os-loader @needs-iommu-policy
  Rule: What the platform reserves for a device is open to that device, and to no other, as long as translation is on
    Source: EDK II edk2-platforms, IntelVTdDxe/DmaProtection.c, EnableRmrrPciAddress. The tables must lie where an OS
    reuses no memory, or the range is lost with them.
    Mend: Enter each reserved range for the device that it names in the tables, and allocate these tables from memory
    that the OS keeps.

    @IOM-03.1
    Scenario Outline: While the firmware runs
      Given a common buffer of 4096 bytes that is mapped
      When <who> reads what is reserved for the bus master
      Then the access <outcome>

      Examples:
        | who                | outcome |
        | the bus master     | passes  |
        | another bus master | faults  |

    @IOM-03.2 @on-vtd-keep
    Scenario Outline: When the OS uses its memory
      Given a common buffer of 4096 bytes that is mapped
      And the OS loader has taken the machine over, with page tables of its own
      And the OS has written over all that was the boot services' memory
      When <who> reads what is reserved for the bus master
      Then the access <outcome>

      Examples:
        | who                | outcome |
        | the bus master     | passes  |
        | another bus master | faults  |

  @IOM-04 @iommu-driver @unspecified @T26 @on-vtd-open @needs-core-services @needs-iommu-policy
  Rule: Whether DMA passes before the tables are installed is left to the platform
    Source: EDK II edk2-platforms, IntelVTdDxe/IntelVTdDxe.c, IoMmuSetAttribute: what is asked for before the DMAR table
    is installed is only noted; what blocks DMA until then, if anything, ran before.
    Mend: Nothing is to mend: a platform that wants DMA blocked earlier needs a component that runs earlier.

    @IOM-04.1
    Scenario: No driver has used PciIo yet
      Given a page with a secret that nobody has mapped
      When another bus master reads that page
      Then it is answered whether the access passes before the tables are installed
