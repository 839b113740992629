@DRV
Feature: A network card's driver
  A network card writes its receive ring unasked, whenever a frame arrives; while none does it is silent.

  @DRV-15 @driver @uefi @T10 @on-none @on-sev @needs-network-driver @needs-os-loader
  Rule: Once the exit handlers have run, no frame reaches memory
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices() and 7.1.2, on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES;
    EDK II OvmfPkg/VirtioNetDxe/Events.c, VirtioNetExitBoot, resets the device there.
    Mend: Reset the card, or turn its receiver off, in a handler for ExitBootServices, also when no frame is on its way.

    @DRV-15.1
    Scenario: A frame arrives after the machine was handed over
      Given the network driver has started, and frames went both ways
      When the OS loader takes the machine over
      And a frame arrives
      Then the network card does no DMA any more

    @DRV-15.2
    Scenario: Frames arrived that nobody has received
      Given the network driver has started, and frames went both ways
      And frames have arrived that nobody has received
      When the OS loader takes the machine over
      And a frame arrives
      Then the network card does no DMA any more

  @DRV-16 @driver @uefi @S31 @S32 @on-none @on-sev @needs-network-driver
  Rule: A network card does DMA only inside live mappings of its own, the way that each allows
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): DeviceAddress, from Map until Unmap, and the operations.
    Mend: Fill descriptors with the DeviceAddress of a live mapping, made for reading where the card sends and for
    writing where it receives.

    @DRV-16.1
    Scenario: The DMA of a whole life
      When the network driver starts, frames go both ways, and it stops
      Then every DMA of the network card was inside a live mapping that allows it

  @DRV-17 @driver @uefi @S35 @S36 @on-none @on-sev @needs-network-driver
  Rule: A network driver halts the card before it ends a mapping, and leaves none behind when it stops
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Unmap(): it completes a mapping, so the bus master must be done with
    it; 11.1 EFI_DRIVER_BINDING_PROTOCOL.Stop().
    Mend: Let Stop halt the card first, and then unmap the rings and every buffer that still hangs in them.

    @DRV-17.1
    Scenario: The driver is stopped
      When the network driver starts, frames go both ways, and it stops
      Then the network card was halted, and then all that its driver mapped was unmapped once

    @DRV-17.2 @needs-os-loader
    Scenario: The machine is handed over
      Given the network driver has started, and frames went both ways
      When the OS loader takes the machine over
      And a frame arrives
      Then no mapping of the network card was unmapped while it ran

  @DRV-18 @driver @uefi @T21 @on-none @on-sev @needs-network-driver @needs-os-loader
  Rule: The exit handler of a network driver uses no memory services, though frames wait
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES.
    Mend: Write the registers that halt the card and return, leaving frames that wait in the rings, mapped, as they are.

    @DRV-18.1
    Scenario: The machine is handed over while frames wait
      Given the network driver has started, and frames went both ways
      And frames have arrived that nobody has received
      When the OS loader takes the machine over
      Then the driver's exit handler has used no memory services

  @DRV-19 @driver @beyond-uefi @T40 @on-sev @needs-network-driver @needs-os-loader
  Rule: A network card is halted before its mappings are torn down
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: the teardown comes behind all exit handlers, and
    relies on them.
    Mend: Halt the card in the notification function for ExitBootServices itself, not in an event that it signals.

    @DRV-19.1
    Scenario: The machine is handed over, and a frame arrives
      Given the network driver has started, and frames went both ways
      When the OS loader takes the machine over
      And a frame arrives
      Then the network card was halted before its mappings were torn down

  @DRV-25 @driver @unspecified @S26 @on-none @on-sev @needs-network-driver @needs-os-loader
  Rule: Whether a driver clears the bus-master bit of a device that it halted is left to it
    Source: UEFI 2.10, 7.4.6 says nothing on it; EDK II MdeModulePkg/Bus/Pci/PciBusDxe cleared the bit of all
    devices at exit in 2017 (050763db07), and took that back (8315563285).
    Mend: Nothing is to mend: a halted device may keep its bus-master bit or lose it.

    @DRV-25.1
    Scenario: The bit when the OS has the machine
      Given the network driver has started, and frames went both ways
      When the OS loader takes the machine over
      And a frame arrives
      Then it is answered whether the network card's bus-master bit is set
