@TM
Feature: The moment of compromise
  The host is honest until it is compromised; from then on an attacker has all that it can see. Assumed: memory is
  coherent, so that a dump sees the last completed access; the host neither remaps nor replays before that moment; the
  guest runs under SEV or SEV-ES, without a virtual IOMMU beside it.

  @TM-01 @memory @beyond-uefi @T11 @on-sev @needs-guest-memory @needs-dram-dump
  Rule: From the moment of compromise the attacker reads every byte of DRAM as it lies
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: bytes are encrypted on the guest's way
    to DRAM, and only there; the host reads what lies in DRAM.
    Mend: Search the dump as one run of bytes, wherever contiguous pages lie.

    @TM-01.1
    Scenario Outline: The attacker finds what lies in plaintext, whoever wrote it
      Given a secret in a page, written by <writer>
      When the hypervisor is compromised
      Then the attacker finds <finds> in that page

      Examples:
        | writer                       | finds           |
        | the guest, C-bit set         | only ciphertext |
        | the guest, C-bit clear       | the secret      |
        | a device                     | the secret      |

    @TM-01.2
    Scenario: A secret that crosses a page boundary is found whole
      Given a secret of 8192 bytes that a device wrote across three pages
      When the hypervisor is compromised
      Then the attacker finds the whole secret in one piece

  @TM-02 @iommu-driver @beyond-uefi @T12 @on-sev @needs-dma-client @needs-dram-dump
  Rule: That the host has destroyed its own copy excuses no residue in guest memory
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: DMA goes through shared memory, which the
    host reads. A secret that the host sent on and wiped, or wrote to an image that is detached and whose key is gone, is
    lost to the attacker unless the guest's memory still holds it.
    Mend: Clean a BusMasterRead bounce in Unmap as one cleans the others, though the host has read it.

    @TM-02.1
    Scenario Outline: A transmitted secret does not outlive its mapping, though the host consumed it
      Given a secret of <bytes> bytes that a bus master moved through a BusMasterRead mapping
      And that mapping is unmapped
      And the host has destroyed all its own copies
      When the hypervisor is compromised
      Then the attacker finds no secret

      Examples:
        | bytes |
        | 512   |
        | 12288 |
