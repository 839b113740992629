@SEV
Feature: Accesses that are private whatever the C-bit says

  @SEV-03 @memory @beyond-uefi @T02 @on-sev @needs-guest-memory
  Rule: Instruction fetches and page-table walks are private, whatever the C-bit says
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: instruction pages and guest page tables
    are always treated as private.
    Mend: Send instruction fetches and page-table walks through the cipher always.

    @SEV-03.1
    Scenario Outline: The guest fetches what it wrote
      Given a secret in a page, written by the guest, C-bit <written>
      When the guest fetches it through a Gva whose C-bit is <fetched>
      Then the guest sees <sees>

      Examples:
        | written | fetched | sees       |
        | set     | set     | the secret |
        | set     | clear   | the secret |
        | clear   | set     | garbage    |
        | clear   | clear   | garbage    |

    @SEV-03.2
    Scenario Outline: The processor walks a table that the guest wrote
      Given a secret in a page, written by the guest, C-bit set
      And that page is mapped again by a table that was written with the C-bit <table>
      When the guest reads it through that table
      Then the guest sees <sees>

      Examples:
        | table | sees         |
        | set   | the secret   |
        | clear | a page fault |

  @SEV-04 @memory @beyond-uefi @T02 @on-sev @needs-guest-memory
  Rule: The C-bit of an entry that points to a table does not matter
    Source: EDK II OvmfPkg/Library/BaseMemEncryptSevLib/X64/PeiDxeVirtualMemory.c, which leaves it clear there.
    Mend: Read the C-bit from leaf entries only.

    @SEV-04.1
    Scenario Outline: The guest writes below an entry that points to a table
      Given a page whose own C-bit is <leaf>
      And the C-bit of the <level> entry above it is <above>
      When the guest writes a secret to that page
      Then DRAM holds <holds> there

      Examples:
        | level | above | leaf  | holds           |
        | PML4  | set   | set   | only ciphertext |
        | PML4  | set   | clear | the secret      |
        | PML4  | clear | set   | only ciphertext |
        | PML4  | clear | clear | the secret      |
        | PDPT  | set   | set   | only ciphertext |
        | PDPT  | set   | clear | the secret      |
        | PDPT  | clear | set   | only ciphertext |
        | PDPT  | clear | clear | the secret      |
        | PD    | set   | set   | only ciphertext |
        | PD    | set   | clear | the secret      |
        | PD    | clear | set   | only ciphertext |
        | PD    | clear | clear | the secret      |
