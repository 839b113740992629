@DRV
Feature: A driver that does not get what it asks for

  @DRV-40 @driver @uefi @S28 @on-none @on-sev @needs-block-driver @needs-shortage
  Rule: A driver that gets fewer bytes mapped than it asked for lets its device use no more
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): on return NumberOfBytes is what was mapped, which may be less than
    what was asked for.
    Mend: Compare NumberOfBytes on return from Map with what was asked for, and unmap and split the transfer, or fail
    it, if it is less.

    @DRV-40.1
    Scenario Outline: Blocks of which Map takes only a part
      Given the disk's driver has started, and has written and read a block
      And Map gives the driver at most 512 bytes from now on
      When the driver <act> 3 blocks
      Then it reports an error, or the blocks were moved whole
      And the disk did no DMA outside what was mapped

      Examples:
        | act    |
        | writes |
        | reads  |

    @DRV-40.2
    Scenario: A start for which Map has little
      Given Map gives the driver at most 64 bytes from now on
      When the disk's driver is asked to start, and if it does to write a block
      Then the disk did no DMA outside what was mapped

  @DRV-41 @driver @uefi @S37 @on-none @on-sev @needs-block-driver @needs-shortage
  Rule: A start that fails half way leaves nothing mapped, running, registered or allocated
    Source: UEFI 2.10, 11.1 EFI_DRIVER_BINDING_PROTOCOL.Start(): a driver that fails to start gives back all that it took.
    Mend: Let Start undo its steps in reverse order on each path of failure, closing the event for ExitBootServices too.

    @DRV-41.1
    Scenario: Each call of the start that takes resources fails in turn
      When the disk's driver is started again and again, each time with a later service call that fails
      Then no start that failed left anything behind
      And the driver starts when no call fails
