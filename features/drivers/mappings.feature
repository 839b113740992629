@DRV
Feature: A driver and its mappings

  @DRV-03 @driver @uefi @T52 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver
  Rule: What a driver maps as a common buffer came from AllocateBuffer
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): only memory from AllocateBuffer can be mapped so.
    Mend: Take the memory of a common buffer from PciIo.AllocateBuffer, and map other memory for Read or Write.

    @DRV-03.1
    Scenario: The common buffers of a whole life
      When the disk's driver starts, writes and reads blocks, and stops
      Then every common buffer that it mapped came from AllocateBuffer

  @DRV-04 @driver @uefi @T52 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver
  Rule: A driver unmaps a common buffer before it frees it
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.AllocateBuffer(), Map(), Unmap(), FreeBuffer(): their order of use.
    Mend: Call Unmap before FreeBuffer on every path, error paths included.

    @DRV-04.1
    Scenario: The order of Unmap and FreeBuffer in a whole life
      When the disk's driver starts, writes and reads blocks, and stops
      Then it freed no common buffer that was mapped

  @DRV-05 @driver @uefi @S31 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver
  Rule: A device does DMA only inside live mappings that its driver made for it
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): the bus master gets the DeviceAddress, from Map until Unmap.
    Mend: Give the device the DeviceAddress that Map returned, and unmap only when the device is through.

    @DRV-05.1
    Scenario: The DMA of a whole life
      When the disk's driver starts, writes and reads blocks, and stops
      Then every DMA of the disk was inside a live mapping of its own

    @DRV-05.2
    Scenario: The disk goes on by itself while the driver is at rest
      Given the disk's driver has started, and has written and read a block
      When the outside world goes on
      Then every DMA of the disk was inside a live mapping of its own

  @DRV-06 @driver @uefi @S32 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver
  Rule: A device uses a mapping only in the direction of its operation
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): the operations, as seen from the bus master.
    Mend: Map what the device reads as BusMasterRead and what it writes as BusMasterWrite; what it does both with is a
    common buffer.

    @DRV-06.1
    Scenario: The directions of a whole life
      When the disk's driver starts, writes and reads blocks, and stops
      Then the disk read no BusMasterWrite mapping and wrote no BusMasterRead mapping

  @DRV-07 @driver @uefi @S35 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver
  Rule: A driver that has stopped has unmapped all that it mapped
    Source: UEFI 2.10, 11.1 EFI_DRIVER_BINDING_PROTOCOL.Stop(): it gives back what Start took.
    Mend: Let Stop end whatever Start and the commands mapped, commands in flight included.

    @DRV-07.1
    Scenario: The mappings of a whole life
      When the disk's driver starts, writes and reads blocks, and stops
      Then none of its mappings is live

    @DRV-07.2 @needs-write-in-flight
    Scenario: A write is in flight when the driver is stopped
      Given the disk's driver has started, and has written and read a block
      And the driver has a write in flight
      When the driver is stopped
      Then none of its mappings is live

  @DRV-08 @driver @uefi @S35 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver
  Rule: A driver unmaps each mapping once
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Unmap(); EDK II SdMmcPciHcDxe 853970fee2 mended a second Unmap.
    Mend: Let one place own each mapping's end, and forget the token there.

    @DRV-08.1
    Scenario: The calls of Unmap in a whole life
      When the disk's driver starts, writes and reads blocks, and stops
      Then it unmapped nothing twice

    @DRV-08.2
    Scenario: The driver stops and starts again
      Given the disk's driver has started, and has written and read a block
      And the driver has stopped and started again
      When the driver is stopped
      Then it unmapped nothing twice

    @DRV-08.3 @needs-write-in-flight
    Scenario: The driver is stopped in the middle of a transfer
      Given the disk's driver has started, and has written and read a block
      And the driver has a write in flight
      When the driver is stopped
      Then it unmapped nothing twice
