@SEV
Feature: The last write decides

  @SEV-05 @memory @beyond-uefi @T03 @on-sev @needs-guest-memory @needs-dram-dump
  Rule: What the host can read depends on the last write, not on the C-bit of today
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: bytes are encrypted when they are written
    to DRAM. A device is a third writer: what it wrote is plain to the host whatever the C-bit says.
    Mend: Keep DRAM as bytes, and give the host these bytes.

    @SEV-05.1
    Scenario Outline: Three writers, two C-bits of today
      Given a secret in a page, written by <writer>
      And the C-bit of that page is now <today>
      When the hypervisor is compromised
      Then the attacker finds <finds> in that page

      Examples:
        | writer                 | today | finds           |
        | the guest, C-bit set   | set   | only ciphertext |
        | the guest, C-bit set   | clear | only ciphertext |
        | the guest, C-bit clear | set   | the secret      |
        | the guest, C-bit clear | clear | the secret      |
        | a device               | set   | the secret      |
        | a device               | clear | the secret      |

  @SEV-06 @memory @beyond-uefi @T03 @on-sev @needs-guest-memory
  Rule: What a write spoils for a reader of the other kind is the 16-byte block, no more and no less
    Source: FIPS 197: AES, by which SEV encrypts memory, works on blocks of 16 bytes.
    Mend: Encrypt and decrypt by blocks of 16 bytes, reading the rest of a block before a part of it is written.

    @SEV-06.1
    Scenario Outline: A device writes one byte into a page that the guest wrote with the C-bit set
      Given a secret in a page, written by the guest, C-bit set
      When a device writes one byte at offset <offset> of it
      Then the guest has lost exactly bytes <first> to <last> of it

      Examples:
        | offset | first | last |
        | 0      | 0     | 15   |
        | 15     | 0     | 15   |
        | 16     | 16    | 31   |
        | 500    | 496   | 511  |

    @SEV-06.2
    Scenario Outline: The guest writes part of a block through the C-bit that wrote the rest
      Given a secret in a page, written by the guest, C-bit <written>
      When the guest overwrites bytes <first> to <last> of it with the C-bit <written>
      Then the guest reads the change, and every other byte as it was

      Examples:
        | written | first | last |
        | set     | 3     | 3    |
        | set     | 10    | 20   |
        | set     | 0     | 15   |
        | clear   | 3     | 3    |
        | clear   | 10    | 20   |
