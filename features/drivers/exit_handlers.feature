@DRV
Feature: What a driver leaves alone in its exit handlers

  @DRV-32 @driver @uefi @S09 @on-none @on-sev @needs-block-driver @needs-os-loader @needs-core-services
  Rule: An exit handler waits for no timer, and puts nothing off by one
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES; 7.4.6
    ExitBootServices(): timer services are off before the group is signaled.
    Mend: Poll the device's own registers, a bounded number of times, where the handler has to wait, and arm no timer
    there.

    @DRV-32.1
    Scenario: The timers of the handler
      Given the disk's driver has started, and has written and read a block
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then no exit handler of the driver waits for a timer

    @DRV-32.2 @needs-write-in-flight
    Scenario: The timers of the handler with a write in flight
      Given the disk's driver has started, and has written and read a block
      And the driver has a write in flight
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then no exit handler of the driver waits for a timer

  @DRV-33 @driver @uefi @S14 @on-none @on-sev @needs-block-driver @needs-os-loader @needs-core-services
  Rule: An exit handler calls no protocol of another driver
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES: the other driver's
    handler may have run already.
    Mend: Let the handler reach its device through registers alone, and leave flushing and disconnecting to the time
    before ExitBootServices.

    @DRV-33.1
    Scenario: The calls of the handler
      Given the disk's driver has started, and has written and read a block
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then no exit handler of the driver calls another driver

  @DRV-34 @driver @beyond-uefi @S24 @on-none @on-sev @needs-block-driver @needs-os-loader @needs-core-services
  Rule: A driver maps nothing once exit handlers run
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: nobody ends a mapping that is made behind the teardown.
    Mend: Stop accepting requests in the exit handler, and let no path out of it call Map.

    @DRV-34.1
    Scenario: The mappings of the handler
      Given the disk's driver has started, and has written and read a block
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then no exit handler of the driver maps memory
