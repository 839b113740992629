@EBS
Feature: What the OS loader owes at ExitBootServices

  @EBS-03 @os-loader @uefi @S10 @T20 @since-2.9 @on-none @on-sev @needs-os-loader @needs-core-services
  Rule: An OS loader that is refused takes the memory map again and calls again
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices(): on EFI_INVALID_PARAMETER the caller gets the memory map
    again and calls again; a handler of the BeforeExitBootServices group may change it.
    Mend: Answer EFI_INVALID_PARAMETER with a new GetMemoryMap, into a buffer with room to spare, and another call.

    @EBS-03.1
    Scenario: A handler of the BeforeExitBootServices group allocates
      Given a handler of the BeforeExitBootServices group that allocates a page
      When the OS loader takes the machine over
      Then the OS loader has called again with the new MapKey, and has the machine

  @EBS-04 @os-loader @uefi @S12 @on-none @on-sev @needs-os-loader @needs-core-services
  Rule: ExitBootServices is called at TPL_APPLICATION, or handlers and teardown are skipped
    Source: UEFI 2.10, 7.1, table "TPL Restrictions".
    Mend: Restore TPL_APPLICATION before the call.

    @EBS-04.1
    Scenario: The machine is handed over
      Given a witness has an exit handler
      When the OS loader takes the machine over
      Then the OS loader called ExitBootServices at TPL_APPLICATION
      And the witness's exit handler has run

  @EBS-05 @driver @uefi @S12 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver @needs-os-loader @needs-core-services
  Rule: An exit handler returns at the level at which it was entered
    Source: UEFI 2.10, 7.1.8 RaiseTPL() and 7.1.9 RestoreTPL(): each raise is paired with a restore.
    Mend: Pair each RaiseTPL with a RestoreTPL on every path out of the handler.

    @EBS-05.1
    Scenario: The machine is handed over after some work
      Given the disk's driver has started, and has written and read a block
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then every exit handler of the driver left the level as it found it
