@SEV
Feature: What the C-bit does, and when
  The C-bit of a page-table entry acts at the moment of a data access through that entry, and at no other.

  @SEV-01 @memory @beyond-uefi @T01 @on-sev @needs-guest-memory @needs-dram-dump
  Rule: Clearing the C-bit exposes nothing until the guest rewrites the bytes through it
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: bytes are encrypted when they are written
    to DRAM; EDK II OvmfPkg/IoMmuDxe, which copies after every change of the C-bit for this reason.
    Mend: Let a change of a page-table entry leave the bytes in DRAM alone.

    @SEV-01.1
    Scenario: The C-bit is cleared and nothing is written
      Given a secret in a page, written by the guest, C-bit set
      And the C-bit of that page is now clear
      When the hypervisor is compromised
      Then the attacker finds only ciphertext in that page

    @SEV-01.2
    Scenario: The C-bit is cleared and the secret is written again
      Given a secret in a page, written by the guest, C-bit set
      And the C-bit of that page is now clear
      And the guest has written the secret to that page again
      When the hypervisor is compromised
      Then the attacker finds the secret in that page

    @SEV-01.3
    Scenario: The C-bit is set again and nothing is written
      Given a secret in a page, written by the guest, C-bit clear
      And the C-bit of that page is now set
      When the hypervisor is compromised
      Then the attacker finds the secret in that page

  @SEV-02 @memory @beyond-uefi @T02 @on-sev @needs-guest-memory
  Rule: The C-bit of the entry that covers the Gva decides each data access, also where two Gvas share a page
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: a page is encrypted through a page-table
    entry whose encryption bit is set; the bit is part of the translation, not of memory.
    Mend: Take the C-bit from the leaf entry of the address that is accessed, at each access.

    @SEV-02.1
    Scenario Outline: What one entry wrote, another reads as its own C-bit says
      Given a secret in a page, written by the guest, C-bit <written>
      When the guest reads it through <through> whose C-bit is <read>
      Then the guest sees <sees>

      Examples:
        | written | through     | read  | sees       |
        | set     | that Gva    | set   | the secret |
        | set     | that Gva    | clear | garbage    |
        | clear   | that Gva    | set   | garbage    |
        | clear   | that Gva    | clear | the secret |
        | set     | another Gva | set   | the secret |
        | set     | another Gva | clear | garbage    |
        | clear   | another Gva | set   | garbage    |
        | clear   | another Gva | clear | the secret |

  @SEV-09 @memory @beyond-uefi @T02 @on-sev @needs-guest-memory
  Rule: A changed C-bit takes effect only when the old translation has left the TLB
    Source: EDK II OvmfPkg/Library/BaseMemEncryptSevLib/X64/PeiDxeVirtualMemory.c, SetMemoryEncDec: it flushes the TLB
    after each change of an entry.
    Mend: Cache translations until a flush, and translate from the cache.

    @SEV-09.1
    Scenario Outline: The guest writes after the entry was changed
      Given a page that the guest has used, C-bit <before>
      And the C-bit of that page is now <now>, and the TLB is <tlb>
      When the guest writes a secret to that page
      Then DRAM holds <holds> there

      Examples:
        | before | now   | tlb         | holds           |
        | set    | clear | not flushed | only ciphertext |
        | set    | clear | flushed     | the secret      |
        | clear  | set   | not flushed | the secret      |
        | clear  | set   | flushed     | only ciphertext |
