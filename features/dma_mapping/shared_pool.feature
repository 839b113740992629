@DMA
Feature: Memory that is shared all boot
  An IOMMU driver may keep a pool of shared pages, so that not each Map and Unmap changes C-bits. What lies in such a page
  is plaintext whatever happens to its mapping, so the driver must take the data away.

  @DMA-30 @iommu-driver @beyond-uefi @S01 @on-sev @needs-dma-client @needs-guest-memory @needs-os-loader @needs-dram-dump
  Rule: Shared memory that is released at exit is rewritten through the C-bit, not only marked private
    Source: EDK II OvmfPkg/IoMmuDxe, IoMmuBuffer.c, IoMmuReleaseReservedSharedMem, which sets C-bits; Linux,
    Documentation/arch/x86/amd-memory-encryption.rst: bytes are encrypted when they are written to DRAM.
    Mend: Set the C-bit of the pool, and then write every page of it, behind the last mapping's end.

    @DMA-30.1
    Scenario Outline: A client keeps a common buffer that it has unmapped
      Given a secret of <bytes> bytes that a bus master moved through a BusMasterCommonBuffer mapping
      And that mapping is unmapped
      And its client has written the secret to the buffer once more
      And the OS loader has taken the machine over, with page tables of its own
      When the hypervisor is compromised
      Then the attacker finds no secret

      Examples:
        | bytes  |
        | 512    |
        | 20000  |
        | 100000 |

  @DMA-31 @iommu-driver @beyond-uefi @S02 @on-sev @needs-dma-client @needs-guest-memory @needs-dram-dump
  Rule: Memory that stays shared outside mappings holds no data once its buffer is freed
    Source: EDK II OvmfPkg/IoMmuDxe, IoMmuBuffer.c, IoMmuFreeCommonBuffer: it marks a slot free, whose pages stay shared,
    and leaves what lies there.
    Mend: Zero a slot in FreeBuffer, before it can be given out again.

    @DMA-31.1
    Scenario Outline: A client frees a common buffer that holds its data
      Given a secret of <bytes> bytes that a bus master moved through a BusMasterCommonBuffer mapping
      And that mapping is unmapped
      And its client has written the secret to the buffer once more
      And its client has freed the buffer
      When the hypervisor is compromised
      Then the attacker finds no secret

      Examples:
        | bytes  |
        | 512    |
        | 20000  |
        | 100000 |
