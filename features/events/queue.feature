@EVT
Feature: The queue of notifications

  @EVT-02 @core @uefi @T42 @on-none @needs-core-services
  Rule: Higher levels run first, and within a level notifications run in the order in which they were queued
    Source: UEFI 2.10, 7.1 on the use of task priority levels: a FIFO queue for each level, highest level first.
    Mend: Keep one queue for each level, append at its end, and always take from the highest level that has something.

    @EVT-02.1
    Scenario Outline: Three events of one level
      Given the level is raised to TPL_HIGH_LEVEL
      And three events at <level> are signaled one after the other
      When the level is restored
      Then they run in the order in which they were signaled

      Examples:
        | level        |
        | TPL_CALLBACK |
        | TPL_NOTIFY   |

    @EVT-02.2
    Scenario: A lower level that was signaled first
      Given the level is raised to TPL_HIGH_LEVEL
      And an event at TPL_CALLBACK and then one at TPL_NOTIFY are signaled
      When the level is restored
      Then the one at TPL_NOTIFY runs before the one at TPL_CALLBACK

    @EVT-02.3
    Scenario: A notification waits until the level is below its own
      Given the level is raised to TPL_NOTIFY
      And three events at TPL_CALLBACK are signaled one after the other
      When the level is restored to TPL_CALLBACK
      Then none of them has run

  @EVT-04 @core @uefi @T46 @on-none @needs-core-services
  Rule: An event that an exit handler signals is queued as at any other time
    Source: UEFI 2.10, 7.1.4 EFI_BOOT_SERVICES.SignalEvent() and 7.1, table "TPL Restrictions": SignalEvent is legal up
    to TPL_HIGH_LEVEL, and a notification function may signal other events.
    Mend: Let SignalEvent queue the notification at its level, whoever calls it.

    @EVT-04.1
    Scenario Outline: A handler signals a private event
      Given an exit handler at <handler> that signals a private event at <private>
      When ExitBootServices is called with the current MapKey
      Then SignalEvent returns EFI_SUCCESS inside the handler
      And the private event runs exactly once, <when> the handler has returned
      And it has run when ExitBootServices returns

      Examples:
        | handler      | private      | when   |
        | TPL_CALLBACK | TPL_CALLBACK | after  |
        | TPL_NOTIFY   | TPL_CALLBACK | after  |
        | TPL_NOTIFY   | TPL_NOTIFY   | after  |
        | TPL_CALLBACK | TPL_NOTIFY   | before |

  @EVT-06 @core @unspecified @T46 @on-none @needs-core-services
  Rule: Whether a deferred notification at TPL_CALLBACK runs behind all exit handlers follows from queueing alone
    Source: UEFI 2.10, 7.1.2 and 7.1.4 say how events are queued, and nothing of exit handlers in particular.
    Mend: Nothing is to mend: either answer conforms.

    @EVT-06.1
    Scenario Outline: A handler among others defers its work
      Given two exit handlers at TPL_CALLBACK and two at TPL_NOTIFY
      And an exit handler at <handler> that signals a private event at TPL_CALLBACK
      When ExitBootServices is called with the current MapKey
      Then it is answered whether the private event ran behind all exit handlers

      Examples:
        | handler      |
        | TPL_CALLBACK |
        | TPL_NOTIFY   |
