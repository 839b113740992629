@DRV
Feature: The driver of a device that it brings itself
  The suite knows nothing of such a device but its DMA, whether it says that it runs, and that something may happen
  outside which it tells of unasked.

  @DRV-51 @driver @uefi @T10 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-device-driver @needs-os-loader
  Rule: Once the exit handlers have run, nothing that happens outside makes a driver's own device do DMA
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices() and 7.1.2, on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES. A
    device may be idle instead, and its bus-master bit may stay as it is.
    Mend: Halt the device in a handler for ExitBootServices, also when it is silent at that moment.

    @DRV-51.1
    Scenario: Something happens after the machine was handed over
      Given the driver of its own device has started, and has worked
      When the OS loader takes the machine over
      And something happens that the driver's own device tells of
      Then the driver's own device does no DMA any more

  @DRV-52 @driver @uefi @S31 @S32 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-device-driver
  Rule: A driver's own device does DMA only inside live mappings of its own, the way that each allows
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): DeviceAddress, from Map until Unmap, and the operations.
    Mend: Tell the device DeviceAddresses of live mappings only, each made for the way that its data go.

    @DRV-52.1
    Scenario: The DMA of a whole life
      When the driver of its own device starts, works, and stops
      Then every DMA of the driver's own device was inside a live mapping that allows it

  @DRV-53 @driver @uefi @S35 @S36 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-device-driver
  Rule: A driver halts its own device before it ends a mapping, and leaves none behind when it stops
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Unmap(): it completes a mapping, so the bus master must be done with it;
    11.1 EFI_DRIVER_BINDING_PROTOCOL.Stop().
    Mend: Let Stop halt the device first, wait until it is quiet, and then unmap all that is left.

    @DRV-53.1
    Scenario: The driver is stopped
      When the driver of its own device starts, works, and stops
      Then the driver's own device was halted, and then all that its driver mapped was unmapped once

    @DRV-53.2 @needs-os-loader
    Scenario: The machine is handed over
      Given the driver of its own device has started, and has worked
      When the OS loader takes the machine over
      And something happens that the driver's own device tells of
      Then no mapping of the driver's own device was unmapped while it ran

  @DRV-54 @driver @uefi @T21 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-device-driver @needs-os-loader
  Rule: The exit handler of a driver with a device of its own uses no memory services
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES.
    Mend: Write the registers that halt the device and return, and leave mappings and memory as they are.

    @DRV-54.1
    Scenario: The machine is handed over to an OS
      Given the driver of its own device has started, and has worked
      When the OS loader takes the machine over
      Then the driver's exit handler has used no memory services

  @DRV-55 @driver @beyond-uefi @T40 @on-sev @on-vtd-keep @needs-device-driver @needs-os-loader
  Rule: A driver's own device is halted before its mappings are torn down
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: the teardown comes behind all exit handlers, and relies
    on them.
    Mend: Halt the device in the notification function for ExitBootServices itself, not in an event that it signals.

    @DRV-55.1
    Scenario: The machine is handed over, and something happens
      Given the driver of its own device has started, and has worked
      When the OS loader takes the machine over
      And something happens that the driver's own device tells of
      Then the driver's own device was halted before its mappings were torn down
