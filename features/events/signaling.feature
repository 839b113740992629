@EVT
Feature: What signaling a member of a group does

  @EVT-11 @core @unspecified @S15 @on-none @needs-core-services
  Rule: Whether signaling a member inside its group's dispatch runs members again is the core's choice
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx() and 7.1.4 SignalEvent(): signaling a member signals the whole
    group; and on the exit group: its events are signaled once.
    Mend: Nothing is to mend: running members once or again conforms.

    @EVT-11.1
    Scenario: A member of a private group signals one that has run
      Given a private group of a member at TPL_NOTIFY, and one at TPL_CALLBACK that signals it when it runs
      When the group is signaled
      Then it is answered how often the member at TPL_NOTIFY ran

    @EVT-11.2
    Scenario: An exit handler signals one that has run
      Given an exit handler at TPL_NOTIFY, and one at TPL_CALLBACK that signals it when it runs
      When ExitBootServices is called with the current MapKey
      Then it is answered how often the member at TPL_NOTIFY ran

  @EVT-12 @core @uefi @S16 @on-none @needs-core-services
  Rule: Signaling any member of a group signals all of them, whatever its type
    Source: UEFI 2.10, 7.1.4 EFI_BOOT_SERVICES.SignalEvent(): all events of the group are signaled; 7.1.2 CreateEventEx(),
    whose own example signals a group by a member of type 0.
    Mend: Look for a group in SignalEvent before the event's type is looked at, and signal every member of that group.

    @EVT-12.1
    Scenario Outline: A group of one member of each type
      Given a private group of a plain, a waiting and a notified member
      When the <member> member is signaled
      Then the plain and the waiting member are signaled
      And the notification of the notified member has run

      Examples:
        | member   |
        | plain    |
        | waiting  |
        | notified |

  @EVT-13 @core @uefi @S17 @on-none @needs-core-services
  Rule: No timer notification runs once exit handlers run, however its timer was armed
    Source: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices(): timer services are off before the exit group; 7.1.7
    SetTimer(): a trigger time of 0 means the next timer tick.
    Mend: Cease to look at timers before the exit group is signaled, and let SetTimer queue nothing from then on, with a
    trigger time of 0 neither.

    @EVT-13.1
    Scenario Outline: An exit handler arms a timer
      Given a timer at TPL_NOTIFY that has run
      And an exit handler that arms it for <delay> units of 100 ns, and stalls for 50000 microseconds
      When ExitBootServices is called with the current MapKey
      Then it does not run any more once exit handlers run

      Examples:
        | delay  |
        | 0      |
        | 1      |
        | 100000 |
