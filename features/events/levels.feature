@EVT
Feature: Levels and processors from which services are called
  A core need not look at the level of its caller. So it is the caller who is bound, and a breach shows nowhere but here.

  @EVT-07 @driver @uefi @T22 @on-none @on-sev @needs-block-driver @needs-core-services
  Rule: A driver calls each service at a level that the table allows
    Source: UEFI 2.10, 7.1, table "TPL Restrictions": BlockIo may be called up to TPL_CALLBACK, and what its driver calls
    inside runs at that level.
    Mend: Call memory allocation services and protocols before RaiseTPL, and raise no higher than the service that is
    called allows.

    @EVT-07.1
    Scenario Outline: Blocks are written and read at a level at which BlockIo may be called
      Given the disk's driver has started
      And the level is raised to <level>
      When a block is written and read back through the driver
      Then the driver called every service at a level that the table allows

      Examples:
        | level           |
        | TPL_APPLICATION |
        | TPL_CALLBACK    |

    @EVT-07.2 @needs-os-loader
    Scenario: The machine is handed over
      Given the disk's driver has started, and has written and read a block
      When the OS loader takes the machine over
      Then the driver called every service at a level that the table allows

  @EVT-08 @iommu-driver @uefi @T22 @on-sev @needs-dma-client @needs-core-services
  Rule: An IOMMU driver calls each service at a level that the table allows
    Source: UEFI 2.10, 7.1, table "TPL Restrictions": Memory Allocation Services up to TPL_NOTIFY, as the protocols
    that the table doesn't name.
    Mend: Restore the caller's level before memory is allocated or freed, and keep only the list of mappings under a
    raised level.

    @EVT-08.1
    Scenario Outline: A buffer is mapped and unmapped at a level at which PciIo may be called
      Given a buffer for <operation>
      And the level is raised to <level>
      When the buffer is mapped, and unmapped again
      Then the IOMMU driver called every service at a level that the table allows

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

  @EVT-09 @os-loader @uefi @T22 @on-none @on-sev @needs-os-loader
  Rule: An OS loader calls each service at a level that the table allows
    Source: UEFI 2.10, 7.1, table "TPL Restrictions".
    Mend: Call GetMemoryMap, ExitBootServices and all other services after RestoreTPL, at a level that the table names
    for them.

    @EVT-09.1
    Scenario: From the memory map to the hand-over
      When the OS loader takes the machine over
      Then the OS loader called every service at a level that the table allows

  @EVT-10 @driver @uefi @T22 @on-none @on-sev @needs-block-driver @needs-os-loader
  Rule: A driver calls no service from an application processor
    Source: UEFI 2.10, 2.3.4: boot services are for one processor; PI 1.7, volume 2, 13.4 EFI_MP_SERVICES_PROTOCOL: what runs
    on application processors calls no UEFI service.
    Mend: Let the procedure on the application processor compute in memory that it was given, and call services when it
    is done, on the boot processor.

    @EVT-10.1
    Scenario: From the start of the driver to the hand-over
      Given the disk's driver has started, and has written and read a block
      When the OS loader takes the machine over
      Then the driver called every service from the bootstrap processor
