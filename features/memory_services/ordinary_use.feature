@MEM
Feature: Memory services in Map and Unmap, outside of ExitBootServices
  What exit handlers must not do is no limit for ordinary use.

  @MEM-08 @iommu-driver @uefi @T34 @on-sev @needs-dma-client @needs-core-services
  Rule: Outside of ExitBootServices Map and Unmap serve every operation at every level, whatever memory they need
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(), Unmap(): no restriction; 7.1, table "TPL Restrictions": up to
    TPL_NOTIFY, as the memory allocation services.
    Mend: Serve each operation up to TPL_NOTIFY, allocate whatever it needs, and keep the ban on memory services to the
    teardown.

    @MEM-08.1
    Scenario Outline: A mapping comes and goes
      Given a buffer for <operation>
      And the level is raised to <level>
      When the buffer is mapped, and unmapped again
      Then Map and Unmap returned EFI_SUCCESS
      And the IOMMU driver is blamed for no memory service

      Examples:
        | operation             | level           |
        | BusMasterRead         | TPL_APPLICATION |
        | BusMasterRead         | TPL_CALLBACK    |
        | BusMasterRead         | TPL_NOTIFY      |
        | BusMasterWrite        | TPL_APPLICATION |
        | BusMasterWrite        | TPL_CALLBACK    |
        | BusMasterWrite        | TPL_NOTIFY      |
        | BusMasterCommonBuffer | TPL_APPLICATION |
        | BusMasterCommonBuffer | TPL_CALLBACK    |
        | BusMasterCommonBuffer | TPL_NOTIFY      |

  @MEM-09 @pci @uefi @T51 @on-sev @needs-dma-client @needs-core-services @needs-handler-tpl
  Rule: What lies behind Map and Unmap may use memory services there
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(), Unmap(), which forbid none; tracing of calls needs them.
    Mend: Let PciIo and the root bridge keep no lock and rely on no MapKey over their calls of the IOMMU driver.

    @MEM-09.1
    Scenario Outline: An IOMMU driver keeps a log
      Given an IOMMU driver that logs each Map and Unmap in pool memory
      And a buffer for <operation>
      And the level is raised to <level>
      When the buffer is mapped, and unmapped again
      Then every memory service inside Map and Unmap was called at a level that allows it, and succeeded

      Examples:
        | operation             | level           |
        | BusMasterRead         | TPL_APPLICATION |
        | BusMasterRead         | TPL_NOTIFY      |
        | BusMasterWrite        | TPL_APPLICATION |
        | BusMasterWrite        | TPL_NOTIFY      |
        | BusMasterCommonBuffer | TPL_APPLICATION |
        | BusMasterCommonBuffer | TPL_NOTIFY      |

  @MEM-11 @iommu-driver @unspecified @T06 @T34 @on-none @on-sev @needs-dma-client @needs-core-services
  Rule: Whether Map and Unmap change the memory map is the IOMMU driver's choice
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(), Unmap(): they name no memory but what is mapped.
    Mend: Nothing is to mend outside of exit handlers: either answer conforms.

    @MEM-11.1
    Scenario Outline: A mapping comes and goes in ordinary use
      Given a buffer for <operation>
      When the buffer is mapped, and unmapped again
      Then it is answered which of the two changed the memory map

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |
