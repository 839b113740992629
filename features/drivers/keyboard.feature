@DRV
Feature: A keyboard's driver
  A keyboard polls its schedule without end, and a transfer waits for a key as long as it takes.

  @DRV-10 @driver @uefi @T10 @on-none @on-sev @needs-keyboard-driver @needs-os-loader
  Rule: Once the exit handlers have run, no key reaches memory
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices() and 7.1.2, on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES;
    EDK II MdeModulePkg/Bus/Pci/UhciDxe/Uhci.c, UhcExitBootService, halts the controller there.
    Mend: Stop the controller's schedule in a handler for ExitBootServices, also when transfers wait for a key.

    @DRV-10.1
    Scenario: A key is pressed after the machine was handed over
      Given the keyboard's driver has started, and keys were typed
      When the OS loader takes the machine over
      And a key is pressed
      Then the keyboard does no DMA any more

    @DRV-10.2
    Scenario: Keys were pressed that nobody has read
      Given the keyboard's driver has started, and keys were typed
      And more keys were pressed than were read
      When the OS loader takes the machine over
      And a key is pressed
      Then the keyboard does no DMA any more

    @DRV-10.3 @needs-keyboard-transfers
    Scenario: Transfers wait for a key, each in a mapping of its own
      Given a keyboard driver that maps each transfer by itself
      And the keyboard's driver has started, and keys were typed
      When the OS loader takes the machine over
      And a key is pressed
      Then the keyboard does no DMA any more

  @DRV-11 @driver @uefi @S31 @S32 @on-none @on-sev @needs-keyboard-driver
  Rule: A keyboard does DMA only inside live mappings of its own, the way that each allows
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): DeviceAddress, from Map until Unmap, and the operations.
    Mend: Give the keyboard the DeviceAddress of a report buffer that is mapped for its writes, and take the address
    away before Unmap.

    @DRV-11.1
    Scenario: The DMA of a whole life
      When the keyboard's driver starts, keys are typed, and it stops
      Then every DMA of the keyboard was inside a live mapping that allows it

    @DRV-11.2 @needs-keyboard-transfers
    Scenario: The DMA of a whole life, each transfer in a mapping of its own
      Given a keyboard driver that maps each transfer by itself
      When the keyboard's driver starts, keys are typed, and it stops
      Then every DMA of the keyboard was inside a live mapping that allows it

  @DRV-12 @driver @uefi @S35 @S36 @on-none @on-sev @needs-keyboard-driver
  Rule: A keyboard's driver that stops halts the keyboard, then unmaps all that it mapped, and each mapping once
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Unmap() and 11.1 EFI_DRIVER_BINDING_PROTOCOL.Stop(); EDK II
    SdMmcPciHcDxe 853970fee2 mended a second Unmap, AtaAtapiPassThru 509daa658b the order.
    Mend: Let Stop halt the keyboard first, and then walk the list of waiting transfers, unmapping each and removing it
    from the list.

    @DRV-12.1
    Scenario: The driver is stopped
      When the keyboard's driver starts, keys are typed, and it stops
      Then the keyboard was halted, and then all that its driver mapped was unmapped once

    @DRV-12.2 @needs-keyboard-transfers
    Scenario: The driver is stopped while transfers wait, each in a mapping of its own
      Given a keyboard driver that maps each transfer by itself
      When the keyboard's driver starts, keys are typed, and it stops
      Then the keyboard was halted, and then all that its driver mapped was unmapped once

  @DRV-13 @driver @uefi @T21 @on-none @on-sev @needs-keyboard-driver @needs-os-loader
  Rule: The exit handler of a keyboard's driver uses no memory services, though transfers wait
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES.
    Mend: Write the registers that halt the keyboard and return, leaving waiting transfers mapped and their memory
    allocated.

    @DRV-13.1
    Scenario: The machine is handed over while transfers wait for a key
      Given the keyboard's driver has started, and keys were typed
      When the OS loader takes the machine over
      Then the driver's exit handler has used no memory services

  @DRV-14 @driver @beyond-uefi @T40 @on-sev @needs-keyboard-driver @needs-os-loader
  Rule: A keyboard is halted before its mappings are torn down
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: the teardown comes behind all exit handlers, and
    relies on them.
    Mend: Halt the keyboard in the notification function for ExitBootServices itself, not in an event that it signals.

    @DRV-14.1
    Scenario: Halt and teardown while transfers wait for a key
      Given the keyboard's driver has started, and keys were typed
      When the OS loader takes the machine over
      And a key is pressed
      Then the keyboard was halted before its mappings were torn down
