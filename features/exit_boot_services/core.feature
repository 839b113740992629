@EBS
Feature: What the core owes at ExitBootServices

  @EBS-01 @core @uefi @S33 @on-none @needs-core-services
  Rule: A stale MapKey is refused, and no exit handler runs
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices(): EFI_INVALID_PARAMETER if MapKey is incorrect.
    Mend: Compare the MapKey with the current one before the exit group is signaled.

    @EBS-01.1
    Scenario: The memory map changed since the MapKey was taken
      Given an exit handler made by CreateEvent at TPL_CALLBACK
      And the current MapKey is known
      And the memory map has changed since
      When ExitBootServices is called with that MapKey
      Then ExitBootServices returns EFI_INVALID_PARAMETER
      And no exit handler has run

    @EBS-01.2
    Scenario: The caller tries again with the current MapKey
      Given an exit handler made by CreateEvent at TPL_CALLBACK
      And a call of ExitBootServices with a stale MapKey was refused
      When ExitBootServices is called with the current MapKey
      Then ExitBootServices returns EFI_SUCCESS
      And every exit handler runs exactly once

  @EBS-02 @core @uefi @S10 @since-2.9 @on-none @needs-core-services
  Rule: The BeforeExitBootServices group is signaled once, while timers still tick and before any exit handler
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices() and 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on
    EFI_EVENT_GROUP_BEFORE_EXIT_BOOT_SERVICES.
    Mend: Remember that the group was signaled, and signal it before the timers are stopped.

    @EBS-02.1
    Scenario: Once, though the loader calls twice
      Given an exit handler made by CreateEvent at TPL_CALLBACK
      And a handler of the BeforeExitBootServices group
      And a call of ExitBootServices with a stale MapKey was refused
      When ExitBootServices is called with the current MapKey
      Then the handler of the BeforeExitBootServices group has run exactly once
      And it ran before every exit handler

    @EBS-02.2
    Scenario: Timers tick before, and not in exit handlers
      Given a periodic timer at TPL_NOTIFY
      And a handler of the BeforeExitBootServices group that stalls for 50000 microseconds
      And an exit handler that stalls for 50000 microseconds
      When ExitBootServices is called with the current MapKey
      Then the timer's notification runs while the first of them stalls
      And it does not run any more once exit handlers run
