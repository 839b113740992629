@SEV
Feature: Changing page tables

  @SEV-07 @memory @beyond-uefi @T25 @on-sev @needs-guest-memory @needs-dram-dump
  Rule: An OS that switches to page tables of its own mends nothing: only a write through C=1 encrypts
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: bytes are encrypted when they are written
    to DRAM, not when a page table changes.
    Mend: Let a load of CR3 change translations only.

    @SEV-07.1
    Scenario: The attacker still reads what was in plaintext
      Given a secret in a page, written by the guest, C-bit clear
      And the OS has loaded page tables with the C-bit set everywhere
      When the hypervisor is compromised
      Then the attacker finds the secret in that page

    @SEV-07.2
    Scenario: The OS itself reads garbage there
      Given a secret in a page, written by the guest, C-bit clear
      And the OS has loaded page tables with the C-bit set everywhere
      When the guest reads that page
      Then the guest sees garbage

    @SEV-07.3
    Scenario: What was encrypted stays readable to the OS
      Given a secret in a page, written by the guest, C-bit set
      And the OS has loaded page tables with the C-bit set everywhere
      When the guest reads that page
      Then the guest sees the secret

  @SEV-08 @memory @beyond-uefi @S27 @on-sev @needs-guest-memory
  Rule: Splitting a large page keeps the C-bit of every page that was not asked for
    Source: EDK II OvmfPkg/Library/BaseMemEncryptSevLib/X64/PeiDxeVirtualMemory.c, Split2MPageTo4K and Split1GPageTo2M.
    Mend: Copy the large page's own C-bit to all 512 entries, then change those that were asked for.

    @SEV-08.1
    Scenario Outline: The C-bit of one 4 KiB page changes inside a 2 MiB page
      Given a 2 MiB page whose C-bit is <large>, with a secret in every 4 KiB of it
      When the C-bit of its <which> 4 KiB page is made <asked>
      Then the C-bit of that page alone is <asked>
      And the guest still reads its secret in every other page

      Examples:
        | large | asked | which |
        | set   | clear | first |
        | set   | clear | 200th |
        | set   | clear | last  |
        | clear | set   | first |
        | clear | set   | 200th |
        | clear | set   | last  |

    @SEV-08.2
    Scenario Outline: The C-bit of a whole 2 MiB page changes
      Given a 2 MiB page whose C-bit is <large>, with a secret in every 4 KiB of it
      When the C-bit of all its 4 KiB pages is made <asked>
      Then the C-bit of all its 4 KiB pages is <asked>

      Examples:
        | large | asked |
        | set   | clear |
        | clear | set   |

    @SEV-08.3
    Scenario Outline: The C-bit of one 4 KiB page changes inside a 1 GiB page
      Given a 1 GiB page whose C-bit is <large>, with a secret in many 4 KiB pages of it
      When the C-bit of its <which> 4 KiB page is made <asked>
      Then the C-bit of that page alone is <asked>
      And the guest still reads its secret in every other page

      Examples:
        | large | asked | which |
        | set   | clear | first |
        | set   | clear | 200th |
        | clear | set   | 200th |
        | clear | set   | last  |

    @SEV-08.4
    Scenario Outline: The C-bit of a whole 1 GiB page changes
      Given a 1 GiB page whose C-bit is <large>, with a secret in many 4 KiB pages of it
      When the C-bit of all its 4 KiB pages is made <asked>
      Then the C-bit of all its 4 KiB pages is <asked>

      Examples:
        | large | asked |
        | set   | clear |
        | clear | set   |
