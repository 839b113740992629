@MEM
Feature: The memory map and its MapKey

  @MEM-05 @core @uefi @S34 @on-none @needs-core-services
  Rule: Every change of a page range moves the MapKey
    Source: UEFI 2.10, 7.2.3 EFI_BOOT_SERVICES.GetMemoryMap().
    Mend: Move the key in the one place where a range of pages changes its type.

    @MEM-05.1
    Scenario Outline: Somebody changes a page range
      Given the current MapKey is known
      When somebody <act>
      Then the MapKey is another one
      And the memory map shows the change

      Examples:
        | act                                  |
        | allocates one page                   |
        | allocates 16 pages                   |
        | frees one page                       |
        | allocates a pool buffer of 65536 bytes |
        | frees a pool buffer of 65536 bytes     |

  @MEM-06 @core @uefi @S34 @on-none @needs-core-services
  Rule: A memory service that fails changes neither the memory map nor the MapKey
    Source: UEFI 2.10, 7.2.1 AllocatePages(), 7.2.2 FreePages(), 7.2.5 FreePool(): the statuses of failure.
    Mend: Decide whether the call can succeed before anything is changed.

    @MEM-06.1
    Scenario Outline: A call that cannot succeed
      Given the current MapKey is known
      When somebody <act>
      Then the call returns <status>
      And the memory map and the MapKey are as before

      Examples:
        | act                              | status                |
        | allocates more pages than exist  | EFI_OUT_OF_RESOURCES  |
        | allocates one persistent page    | EFI_INVALID_PARAMETER |
        | frees a page that is free        | EFI_NOT_FOUND         |
        | frees half a page                | EFI_INVALID_PARAMETER |
        | frees a pool buffer twice        | EFI_INVALID_PARAMETER |

  @MEM-07 @core @uefi @S34 @on-none @needs-core-services
  Rule: GetMemoryMap tells the size that it needs when the buffer is too small, and the map when it fits
    Source: UEFI 2.10, 7.2.3 EFI_BOOT_SERVICES.GetMemoryMap().
    Mend: Return EFI_BUFFER_TOO_SMALL and the size needed, and the MapKey only with a whole map.

    @MEM-07.1
    Scenario: The caller asks for the size first
      When the memory map is asked for with a buffer of 0 bytes
      Then GetMemoryMap returns EFI_BUFFER_TOO_SMALL and the size it needs
      And a buffer of that size gets the whole memory map and its MapKey

    @MEM-07.2
    Scenario: The memory map has no gaps and no overlaps
      Given the current MapKey is known
      When somebody allocates 16 pages
      Then the ranges of the memory map lie side by side without overlap
