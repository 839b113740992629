@DRV
Feature: What a driver's CPU code leaves alone
  A mapping may live for as long as its device takes to answer. Meanwhile the buffer is the device's.

  @DRV-20 @driver @uefi @S05 @on-none @on-sev
  Rule: Between Map(BusMasterRead) and its Unmap the CPU writes nothing to the buffer
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): writes of the CPU are to be complete before it is called; a
    buffer that both sides use is a common buffer.
    Mend: Finish all stores to the buffer before Map for BusMasterRead, or use a common buffer if they cannot end there.

    @DRV-20.1 @needs-block-driver
    Scenario: Blocks that the disk reads
      When the disk's driver starts, writes and reads blocks, and stops
      Then the CPU wrote no buffer that was mapped for its device to read

    @DRV-20.2 @needs-network-driver
    Scenario: Frames that the network card reads
      When the network driver starts, frames go both ways, and it stops
      Then the CPU wrote no buffer that was mapped for its device to read

  @DRV-21 @driver @uefi @S05 @on-none @on-sev
  Rule: Between Map(BusMasterWrite) and its Unmap the CPU touches nothing of the buffer
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map() and Unmap(): what the bus master wrote is in the buffer after
    Unmap; a buffer that both sides use is a common buffer. A mapping for each transfer, live until the device
    answers, is right.
    Mend: Look at what the device wrote only after Unmap, with a new mapping for each transfer, or use a common buffer.

    @DRV-21.1 @needs-block-driver
    Scenario: Blocks that the disk writes
      When the disk's driver starts, writes and reads blocks, and stops
      Then the CPU touched no buffer that was mapped for its device to write

    @DRV-21.2 @needs-keyboard-driver
    Scenario: Reports that the keyboard writes
      When the keyboard's driver starts, keys are typed, and it stops
      Then the CPU touched no buffer that was mapped for its device to write

    @DRV-21.3 @needs-keyboard-driver @needs-keyboard-transfers
    Scenario: Reports that the keyboard writes, each transfer in a mapping of its own
      Given a keyboard driver that maps each transfer by itself
      When the keyboard's driver starts, keys are typed, and it stops
      Then the CPU touched no buffer that was mapped for its device to write

    @DRV-21.4 @needs-network-driver
    Scenario: Frames that the network card writes
      When the network driver starts, frames go both ways, and it stops
      Then the CPU touched no buffer that was mapped for its device to write

  @DRV-22 @driver @uefi @S08 @on-sev
  Rule: The CPU never uses a DeviceAddress as a pointer
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): DeviceAddress is for the bus master, the CPU has HostAddress.
    They differ where EDK II OvmfPkg/IoMmuDxe bounces.
    Mend: Keep HostAddress and DeviceAddress in variables of different types, and let loads and stores use HostAddress
    alone.

    @DRV-22.1 @needs-block-driver
    Scenario: The disk's buffers
      When the disk's driver starts, writes and reads blocks, and stops
      Then the CPU used no DeviceAddress as a pointer

    @DRV-22.2 @needs-keyboard-driver
    Scenario: The keyboard's buffers
      When the keyboard's driver starts, keys are typed, and it stops
      Then the CPU used no DeviceAddress as a pointer

    @DRV-22.3 @needs-network-driver
    Scenario: The network card's buffers
      When the network driver starts, frames go both ways, and it stops
      Then the CPU used no DeviceAddress as a pointer

  @DRV-23 @driver @advisory @T07 @on-none @on-sev
  Rule: A Read or Write mapping should end before the protocol call that needed it returns
    Source: EDK II OvmfPkg/IoMmuDxe was made for drivers that use common buffers for all that outlives a call;
    MdeModulePkg/Bus/Pci/XhciDxe and OvmfPkg/VirtioNetDxe keep Read and Write mappings longer.
    Mend: Use a common buffer for whatever the device may still need when the protocol call has returned.

    @DRV-23.1 @needs-block-driver
    Scenario: Calls of the disk's driver
      When the disk's driver starts, writes and reads blocks, and stops
      Then no Read or Write mapping has outlived a call

    @DRV-23.2 @needs-keyboard-driver
    Scenario: Calls of the keyboard's driver
      When the keyboard's driver starts, keys are typed, and it stops
      Then no Read or Write mapping has outlived a call

    @DRV-23.3 @needs-network-driver
    Scenario: Calls of the network driver
      When the network driver starts, frames go both ways, and it stops
      Then no Read or Write mapping has outlived a call
