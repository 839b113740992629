@DRV
Feature: A driver halts its device

  @DRV-01 @driver @uefi @T10 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver @needs-os-loader
  Rule: Once the exit handlers have run, the device does no DMA
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices() and 7.1.2, on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES: drivers
    stop their devices there. A device may be idle instead; its bus-master bit does not matter.
    Mend: Register for ExitBootServices and stop the device's DMA there, also when a command is in flight.

    @DRV-01.1
    Scenario: The driver is at rest
      Given the disk's driver has started, and has written and read a block
      When the OS loader takes the machine over
      And the outside world goes on
      Then the disk does no DMA any more

    @DRV-01.2
    Scenario: The driver has only started
      Given the disk's driver has started
      When the OS loader takes the machine over
      And the outside world goes on
      Then the disk does no DMA any more

    @DRV-01.3 @needs-write-in-flight
    Scenario: A write is in flight
      Given the disk's driver has started, and has written and read a block
      And the driver has a write in flight
      When the OS loader takes the machine over
      And the outside world goes on
      Then the disk does no DMA any more

    @DRV-01.4
    Scenario: The driver was stopped and started again
      Given the disk's driver has started, and has written and read a block
      And the driver has stopped and started again
      When the OS loader takes the machine over
      And the outside world goes on
      Then the disk does no DMA any more

    @DRV-01.5
    Scenario: The driver was stopped
      Given the disk's driver has started, and has written and read a block
      And the driver has stopped
      When the OS loader takes the machine over
      And the outside world goes on
      Then the disk does no DMA any more

  @DRV-02 @driver @beyond-uefi @T40 @on-sev @on-vtd-keep @needs-block-driver @needs-os-loader
  Rule: A driver halts its device in its own exit handler, not in work that it defers behind the teardown
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: the teardown comes behind all exit handlers, and relies on
    them.
    Mend: Halt the device in the notification function itself, not in a second event that it signals.

    @DRV-02.1
    Scenario: Teardown with the driver at rest
      Given the disk's driver has started, and has written and read a block
      When the OS loader takes the machine over
      And the outside world goes on
      Then the disk was halted before its mappings were torn down

    @DRV-02.2 @needs-write-in-flight
    Scenario: Teardown with a write in flight
      Given the disk's driver has started, and has written and read a block
      And the driver has a write in flight
      When the OS loader takes the machine over
      And the outside world goes on
      Then the disk was halted before its mappings were torn down

  @DRV-09 @driver @uefi @S36 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver @needs-os-loader
  Rule: A driver that stops or hands over halts its device before it unmaps
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Unmap(): it completes a mapping, so the bus master must be done with it;
    EDK II AtaAtapiPassThru 509daa658b mended this order.
    Mend: Halt the device first, wait until it has stopped, and unmap then.

    @DRV-09.1
    Scenario: The order of halt and Unmap in Stop
      Given the disk's driver has started, and has written and read a block
      When the driver is stopped
      Then nothing was unmapped while the disk ran

    @DRV-09.2
    Scenario: The order of halt and Unmap at exit
      Given the disk's driver has started, and has written and read a block
      When the OS loader takes the machine over
      And the outside world goes on
      Then nothing was unmapped while the disk ran
