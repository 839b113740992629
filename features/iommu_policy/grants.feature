@IOM
Feature: What a device behind VT-d can reach
  Map names an address; only SetAttribute opens it. Tables say for each device and each page of 4 KiB what passes.

  @IOM-01 @iommu-driver @beyond-uefi @T26 @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services @needs-iommu-policy
  Rule: Once the tables are installed, a device reaches only what was asked for it, page by page and direction by direction
    Source: EDK II edk2-platforms, IntelVTdDxe/TranslationTable.c, SetAccessAttribute: entries of 4 KiB for each source,
    not present until they are set.
    Mend: Start from tables without present entries, one for each source, and set read and write separately for each
    page of 4 KiB.

    @IOM-01.1
    Scenario Outline: A bus master for which nobody ever mapped anything
      Given a common buffer of 4096 bytes that is mapped
      And a page with a secret that nobody has mapped
      When another bus master <act> that page
      Then the access faults, and the page is as it was

      Examples:
        | act       |
        | reads     |
        | writes to |

    @IOM-01.2
    Scenario Outline: A page that was mapped for another bus master
      Given a live <operation> mapping of 4096 bytes
      When another bus master <act> that page
      Then the access faults, and the page is as it was

      Examples:
        | operation             | act       |
        | BusMasterRead         | reads     |
        | BusMasterWrite        | writes to |
        | BusMasterCommonBuffer | reads     |
        | BusMasterCommonBuffer | writes to |

    @IOM-01.3 @on-vtd-open
    Scenario Outline: The page beside the mapped one
      Given the middle one of three pages is mapped as BusMasterCommonBuffer
      When the bus master <act> the page <beside> it
      Then the access faults, and the page is as it was

      Examples:
        | act       | beside |
        | reads     | before |
        | reads     | behind |
        | writes to | before |
        | writes to | behind |

    @IOM-01.4 @on-vtd-open
    Scenario Outline: The direction that a mapping was made for
      Given a live <operation> mapping of 4096 bytes
      When the bus master <act> that page
      Then the access <outcome>

      Examples:
        | operation             | act       | outcome |
        | BusMasterRead         | reads     | passes  |
        | BusMasterRead         | writes to | faults  |
        | BusMasterWrite        | reads     | faults  |
        | BusMasterWrite        | writes to | passes  |
        | BusMasterCommonBuffer | reads     | passes  |
        | BusMasterCommonBuffer | writes to | passes  |

  @IOM-02 @iommu-driver @beyond-uefi @S21 @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services @needs-iommu-policy
  Rule: Map opens nothing, SetAttribute opens exactly the access that it names, and with none it closes again
    Source: EDK II MdeModulePkg/Include/Protocol/IoMmu.h, EDKII_IOMMU_SET_ATTRIBUTE; edk2-platforms,
    IntelVTdDxe/IntelVTdDxe.c, IoMmuSetAttribute.
    Mend: Change entries in SetAttribute only, set exactly the access that it names, and flush the IOTLB when access is
    taken away.

    @IOM-02.1 @on-vtd-open
    Scenario Outline: What SetAttribute was asked for
      Given a mapping by the IOMMU protocol alone, for which SetAttribute granted <granted>
      When the bus master <act> that page
      Then the access <outcome>

      Examples:
        | granted        | act       | outcome |
        | nothing        | reads     | faults  |
        | nothing        | writes to | faults  |
        | read           | reads     | passes  |
        | read           | writes to | faults  |
        | write          | reads     | faults  |
        | write          | writes to | passes  |
        | read and write | reads     | passes  |
        | read and write | writes to | passes  |

    @IOM-02.2
    Scenario Outline: What SetAttribute has taken back
      Given a mapping by the IOMMU protocol alone, for which SetAttribute granted read and write
      And SetAttribute has taken the access back
      When the bus master <act> that page
      Then the access faults, and the page is as it was

      Examples:
        | act       |
        | reads     |
        | writes to |

    @IOM-02.3
    Scenario Outline: What was unmapped
      Given a live <operation> mapping of 4096 bytes
      And that mapping is unmapped
      When the bus master <act> that page
      Then the access faults, and the page is as it was

      Examples:
        | operation             | act       |
        | BusMasterRead         | reads     |
        | BusMasterWrite        | writes to |
        | BusMasterCommonBuffer | reads     |
        | BusMasterCommonBuffer | writes to |
