@EVT
Feature: Levels that a core refuses
  There are two, and no others have a status.

  @EVT-16 @core @uefi @T22 @on-none @needs-core-services
  Rule: WaitForEvent above TPL_APPLICATION is refused
    Source: UEFI 2.10, 7.1.5 EFI_BOOT_SERVICES.WaitForEvent(): the one service with a status for a wrong level.
    Mend: Compare the current level with TPL_APPLICATION on entry of WaitForEvent, and return EFI_UNSUPPORTED if they
    differ.

    @EVT-16.1
    Scenario Outline: The event is signaled already
      Given all that a call of WaitForEvent needs
      And the level is raised to <level>
      When WaitForEvent is called
      Then the call returns <status>

      Examples:
        | level           | status          |
        | TPL_APPLICATION | EFI_SUCCESS     |
        | TPL_CALLBACK    | EFI_UNSUPPORTED |
        | TPL_NOTIFY      | EFI_UNSUPPORTED |
        | TPL_HIGH_LEVEL  | EFI_UNSUPPORTED |

  @EVT-17 @core @uefi @T22 @on-none @needs-core-services
  Rule: A notification is queued above TPL_APPLICATION, up to TPL_HIGH_LEVEL
    Source: UEFI 2.10, 7.1, table "TPL Restrictions", event notification levels; 7.1.1 EFI_BOOT_SERVICES.CreateEvent():
    EFI_INVALID_PARAMETER if NotifyTpl is not a supported level.
    Mend: Check NotifyTpl in CreateEvent and CreateEventEx when a notification is asked for, and return
    EFI_INVALID_PARAMETER outside this range.

    @EVT-17.1
    Scenario Outline: An event with a notification function
      When an event that notifies on <occasion> is created at <level>
      Then the call returns <status>

      Examples:
        | occasion  | level           | status                |
        | signaling | TPL_APPLICATION | EFI_INVALID_PARAMETER |
        | signaling | TPL_CALLBACK    | EFI_SUCCESS           |
        | signaling | TPL_NOTIFY      | EFI_SUCCESS           |
        | signaling | TPL_HIGH_LEVEL  | EFI_SUCCESS           |
        | waiting   | TPL_APPLICATION | EFI_INVALID_PARAMETER |
        | waiting   | TPL_CALLBACK    | EFI_SUCCESS           |
        | waiting   | TPL_NOTIFY      | EFI_SUCCESS           |
        | waiting   | TPL_HIGH_LEVEL  | EFI_SUCCESS           |
