@EVT
Feature: Levels that code raises itself, and processors that an IOMMU driver uses
  RaiseTPL knows one direction. A core need not look, so it is the caller who is bound.

  @EVT-20 @driver @uefi @T22 @on-none @on-sev @needs-block-driver @needs-os-loader
  Rule: A driver raises the level to none that is below the present one
    Source: UEFI 2.10, 7.1.8 EFI_BOOT_SERVICES.RaiseTPL(): below the current level the behaviour is indeterminate; EDK II
    MdeModulePkg/Core/Dxe/Event/Tpl.c, CoreRaiseTpl asserts, and tianocore/edk2 issues 7808, 8525 and 9891 are exit
    handlers at TPL_NOTIFY that reached code which raises to TPL_CALLBACK.
    Mend: Register the exit handler at TPL_CALLBACK, or call nothing in it that takes a lock at a lower level.

    @EVT-20.1
    Scenario: From the start of the driver to the hand-over
      Given the disk's driver has started, and has written and read a block
      When the OS loader takes the machine over
      Then the driver raised the level to none below the present one

  @EVT-21 @iommu-driver @uefi @T22 @on-sev @needs-dma-client @needs-core-services @needs-os-loader
  Rule: An IOMMU driver calls no service from an application processor
    Source: UEFI 2.10, 2.3.4: boot services run on the boot-strap processor; PI 1.7, volume 2, 13.4
    EFI_MP_SERVICES_PROTOCOL.
    Mend: Let other processors only rewrite pages that they were given, and call services when they are done, on the
    boot processor.

    @EVT-21.1
    Scenario Outline: From Map to the hand-over
      Given a buffer for <operation>
      When the buffer is mapped, and unmapped again
      And the OS loader takes the machine over
      Then the IOMMU driver called every service from the bootstrap processor

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |

  @EVT-22 @iommu-driver @uefi @T22 @on-sev @needs-dma-client @needs-core-services
  Rule: An IOMMU driver raises the level to none that is below the present one
    Source: UEFI 2.10, 7.1.8 EFI_BOOT_SERVICES.RaiseTPL(); 7.1, table "TPL Restrictions": PciIo may be called up to
    TPL_NOTIFY, so a lock inside Map is at that level or above.
    Mend: Guard the list of mappings at TPL_NOTIFY or TPL_HIGH_LEVEL, never at TPL_CALLBACK.

    @EVT-22.1
    Scenario Outline: A buffer is mapped and unmapped at a level at which PciIo may be called
      Given a buffer for <operation>
      And the level is raised to <level>
      When the buffer is mapped, and unmapped again
      Then the IOMMU driver raised the level to none below the present one

      Examples:
        | operation             | level        |
        | BusMasterRead         | TPL_CALLBACK |
        | BusMasterRead         | TPL_NOTIFY   |
        | BusMasterWrite        | TPL_CALLBACK |
        | BusMasterWrite        | TPL_NOTIFY   |
        | BusMasterCommonBuffer | TPL_CALLBACK |
        | BusMasterCommonBuffer | TPL_NOTIFY   |
