@MEM
Feature: Who is told that the memory map has changed

  @MEM-10 @core @uefi @S34 @on-none @needs-core-services
  Rule: Every change of a page range signals the MemoryMapChange group, which finds the new memory map
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_MEMORY_MAP_CHANGE.
    Mend: Signal the MemoryMapChange group in the place where a range of pages changes its type, when the map is
    consistent again.

    @MEM-10.1
    Scenario Outline: Somebody changes a page range below the level of the handler
      Given a handler of the MemoryMapChange group that takes the memory map
      And the current MapKey is known
      When somebody <act>
      Then the handler of the MemoryMapChange group has found the present MapKey

      Examples:
        | act                                    |
        | allocates one page                     |
        | allocates 16 pages                     |
        | frees one page                         |
        | allocates a pool buffer of 65536 bytes |
        | frees a pool buffer of 65536 bytes     |

    @MEM-10.2
    Scenario: Somebody changes a page range at the level of the handler
      Given a handler of the MemoryMapChange group that takes the memory map
      And the current MapKey is known
      And the level is raised to TPL_CALLBACK
      When somebody allocates one page
      Then the handler of the MemoryMapChange group waits
