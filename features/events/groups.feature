@EVT
Feature: Event groups
  All members of a group are queued before the first notification function runs.

  @EVT-01 @core @uefi @T41 @on-none @needs-core-services
  Rule: All members of a group are signaled before the first notification runs
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx().
    Mend: Queue every member of the group under one lock, and dispatch only after that.

    @EVT-01.1
    Scenario: A member that an earlier notification closes does not run
      Given a private group of an older member at TPL_CALLBACK, one at TPL_NOTIFY and a newer one at TPL_CALLBACK
      And the member at TPL_NOTIFY closes both others when it runs
      When the group is signaled
      Then only the member at TPL_NOTIFY runs

    @EVT-01.2
    Scenario: A member that a notification adds does not run
      Given a private group of one member at TPL_NOTIFY, which adds another one at TPL_CALLBACK when it runs
      When the group is signaled
      Then only the member at TPL_NOTIFY runs

    @EVT-01.3
    Scenario: Each member runs once, whichever member was signaled
      Given a private group of an older member at TPL_CALLBACK, one at TPL_NOTIFY and a newer one at TPL_CALLBACK
      When the group is signaled
      Then every member runs exactly once
      And the member at TPL_NOTIFY runs before both others

  @EVT-03 @core @uefi @T43 @on-none @needs-core-services
  Rule: CreateEvent for ExitBootServices and CreateEventEx for its group make the same kind of event
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES.
    Mend: Turn the type EVT_SIGNAL_EXIT_BOOT_SERVICES into membership of the group, so that one list holds both.

    @EVT-03.1
    Scenario Outline: One handler alone
      Given an exit handler made by <service> at <level>
      When ExitBootServices is called with the current MapKey
      Then every exit handler runs exactly once

      Examples:
        | service       | level        |
        | CreateEvent   | TPL_CALLBACK |
        | CreateEvent   | TPL_NOTIFY   |
        | CreateEventEx | TPL_CALLBACK |
        | CreateEventEx | TPL_NOTIFY   |

    @EVT-03.2
    Scenario Outline: Handlers of both kinds are ordered by level alone
      Given an exit handler made by <first> at TPL_CALLBACK
      And an exit handler made by <second> at TPL_NOTIFY
      And an exit handler made by <first> at TPL_NOTIFY
      And an exit handler made by <second> at TPL_CALLBACK
      When ExitBootServices is called with the current MapKey
      Then every exit handler runs exactly once
      And the handlers at TPL_NOTIFY run before those at TPL_CALLBACK

      Examples:
        | first         | second        |
        | CreateEvent   | CreateEventEx |
        | CreateEventEx | CreateEvent   |

  @EVT-05 @core @unspecified @T42 @on-none @needs-core-services
  Rule: The order in which members of one group and one level run is the core's choice
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), which promises no order among members.
    Mend: Nothing is to mend: any order conforms.

    @EVT-05.1
    Scenario Outline: Three handlers at one level
      Given three exit handlers at <level>, made one after the other
      When ExitBootServices is called with the current MapKey
      Then it is answered in which order they ran

      Examples:
        | level        |
        | TPL_CALLBACK |
        | TPL_NOTIFY   |
