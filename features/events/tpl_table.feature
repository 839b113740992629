@EVT
Feature: The table of levels, service by service

  @EVT-14 @core @uefi @T22 @on-none @needs-core-services
  Rule: A core serves each call at every level that the table allows for it
    Source: UEFI 2.10, 7.1, table "TPL Restrictions".
    Mend: Remove checks of the level that are stricter than the table, and keep internal locks at TPL_HIGH_LEVEL where
    it allows that level.

    @EVT-14.1
    Scenario Outline: A legal call
      Given all that a call of <service> needs
      And the level is raised to <level>
      When <service> is called
      Then the call returns EFI_SUCCESS

      Examples:
        | service        | level           |
        | AllocatePages  | TPL_APPLICATION |
        | AllocatePages  | TPL_CALLBACK    |
        | AllocatePages  | TPL_NOTIFY      |
        | FreePages      | TPL_APPLICATION |
        | FreePages      | TPL_CALLBACK    |
        | FreePages      | TPL_NOTIFY      |
        | AllocatePool   | TPL_APPLICATION |
        | AllocatePool   | TPL_CALLBACK    |
        | AllocatePool   | TPL_NOTIFY      |
        | FreePool       | TPL_APPLICATION |
        | FreePool       | TPL_CALLBACK    |
        | FreePool       | TPL_NOTIFY      |
        | GetMemoryMap   | TPL_APPLICATION |
        | GetMemoryMap   | TPL_CALLBACK    |
        | GetMemoryMap   | TPL_NOTIFY      |
        | LocateProtocol | TPL_APPLICATION |
        | LocateProtocol | TPL_CALLBACK    |
        | LocateProtocol | TPL_NOTIFY      |
        | CreateEvent    | TPL_APPLICATION |
        | CreateEvent    | TPL_CALLBACK    |
        | CreateEvent    | TPL_NOTIFY      |
        | CreateEventEx  | TPL_APPLICATION |
        | CreateEventEx  | TPL_CALLBACK    |
        | CreateEventEx  | TPL_NOTIFY      |
        | CloseEvent     | TPL_APPLICATION |
        | CloseEvent     | TPL_CALLBACK    |
        | CloseEvent     | TPL_NOTIFY      |
        | CheckEvent     | TPL_APPLICATION |
        | CheckEvent     | TPL_CALLBACK    |
        | CheckEvent     | TPL_NOTIFY      |
        | SetTimer       | TPL_APPLICATION |
        | SetTimer       | TPL_CALLBACK    |
        | SetTimer       | TPL_NOTIFY      |
        | SignalEvent    | TPL_APPLICATION |
        | SignalEvent    | TPL_CALLBACK    |
        | SignalEvent    | TPL_NOTIFY      |
        | SignalEvent    | TPL_HIGH_LEVEL  |
        | Stall          | TPL_APPLICATION |
        | Stall          | TPL_CALLBACK    |
        | Stall          | TPL_NOTIFY      |
        | Stall          | TPL_HIGH_LEVEL  |

  @EVT-15 @core @unspecified @T22 @on-none @needs-core-services
  Rule: What a core answers to a call above the level that the table allows is its own choice
    Source: UEFI 2.10, 7.1, table "TPL Restrictions", which names no status; 7.1.5 WaitForEvent() alone has one.
    Mend: Nothing is to mend in the core: the caller should lower its level.

    @EVT-15.1
    Scenario Outline: An illegal call
      Given all that a call of <service> needs
      And the level is raised to <level>
      When <service> is called
      Then it is answered what the call returned

      Examples:
        | service        | level          |
        | AllocatePages  | TPL_HIGH_LEVEL |
        | FreePages      | TPL_HIGH_LEVEL |
        | AllocatePool   | TPL_HIGH_LEVEL |
        | FreePool       | TPL_HIGH_LEVEL |
        | GetMemoryMap   | TPL_HIGH_LEVEL |
        | LocateProtocol | TPL_HIGH_LEVEL |
        | CreateEvent    | TPL_HIGH_LEVEL |
        | CreateEventEx  | TPL_HIGH_LEVEL |
        | CloseEvent     | TPL_HIGH_LEVEL |
        | CheckEvent     | TPL_HIGH_LEVEL |
        | SetTimer       | TPL_HIGH_LEVEL |
