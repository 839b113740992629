@EBS
Feature: Around the calls of ExitBootServices

  @EBS-11 @core @proposal @T20 @on-sev @needs-block-driver @needs-os-loader @needs-handler-tpl
  Rule: A core that signals IOMMU drivers apart does so behind every other exit handler
    Source: no specification has such a signal; it would do in the core what EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c,
    IoMmuExitBoot does by a second event.
    Mend: Signal the IOMMU drivers' group when the queue of the exit group is empty, not together with it.

    @EBS-11.1
    Scenario Outline: An IOMMU driver without an exit handler of its own
      Given an IOMMU driver that the core signals apart
      And a disk that its driver halts in an exit handler at <disk>
      And the driver has a write in flight
      When the OS loader takes the machine over
      Then the IOMMU driver is signaled behind every exit handler
      And no mapping is torn down before the disk is halted
      And no mapping is live any more

      Examples:
        | disk         |
        | TPL_CALLBACK |
        | TPL_NOTIFY   |

  @EBS-12 @iommu-driver @beyond-uefi @T20 @since-2.9 @on-sev @needs-block-driver @needs-os-loader
  Rule: No mapping is torn down in the BeforeExitBootServices group
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(): the group comes before timers stop and before drivers halt
    their devices; EDK II FatPkg/EnhancedFatDxe flushes to disk in it.
    Mend: Register the teardown for ExitBootServices, and do nothing to live mappings in the group before.

    @EBS-12.1
    Scenario: A disk runs when the OS loader calls
      Given the disk's driver has started, and has written and read a block
      When the OS loader takes the machine over
      Then no mapping was torn down in the BeforeExitBootServices group

  @EBS-13 @os-loader @uefi @S11 @since-2.9 @on-none @on-sev @needs-os-loader @needs-core-services
  Rule: After its first call of ExitBootServices an OS loader uses memory allocation services only
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices().
    Mend: Do all that needs other services before the first call, and only take the memory map and call again after it.

    @EBS-13.1
    Scenario: The first call is refused
      Given a handler of the BeforeExitBootServices group that allocates a page
      When the OS loader takes the machine over
      Then the OS loader used memory allocation services only since its first call

  @EBS-14 @iommu-driver @beyond-uefi @S24 @on-sev @needs-dma-client @needs-os-loader @needs-handler-tpl @needs-core-services
  Rule: No Map succeeds behind the teardown
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: the teardown is the last that the driver does; what would
    be mapped behind it would stay decrypted. UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map() may fail for lack of resources.
    Mend: Set a flag when the teardown begins, and let Map return EFI_OUT_OF_RESOURCES from then on.

    @EBS-14.1
    Scenario Outline: A handler that defers its work maps in it
      Given an IOMMU driver whose exit handler is queued at TPL_NOTIFY
      And 1 live <operation> mappings, each with a secret
      And a buffer for <operation>
      And a handler at TPL_CALLBACK that maps the buffer in an event which it signals
      When the OS loader takes the machine over
      Then that Map comes behind the teardown, and is refused

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |
