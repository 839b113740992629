@DMA
Feature: What Unmap owes
  Two sides wait for Unmap: the client for its data, and the guest for its memory to be private again.

  @DMA-01 @iommu-driver @beyond-uefi @T05 @T18 @on-sev @needs-dma-client @needs-dram-dump
  Rule: When Unmap returns, nothing that went through the mapping lies in plaintext any more
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuUnmap: it sets the C-bit, then rewrites.
    Mend: Set the C-bit first and rewrite the pages through it afterwards, bounces and stashes included, before Unmap
    returns.

    @DMA-01.1
    Scenario Outline: A secret does not outlive its mapping
      Given a secret of <bytes> bytes that a bus master moved through a <operation> mapping
      And that mapping is unmapped
      When the hypervisor is compromised
      Then the attacker finds no secret

      Examples:
        | operation             | bytes |
        | BusMasterRead         | 512   |
        | BusMasterRead         | 4096  |
        | BusMasterRead         | 12288 |
        | BusMasterWrite        | 512   |
        | BusMasterWrite        | 4096  |
        | BusMasterWrite        | 12288 |
        | BusMasterCommonBuffer | 512   |
        | BusMasterCommonBuffer | 4096  |
        | BusMasterCommonBuffer | 12288 |

  @DMA-02 @iommu-driver @uefi @T05 @on-sev @on-vtd-open @needs-dma-client
  Rule: What one side wrote reaches the other side
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map() and Unmap(): after Map the bus master reads what the client wrote;
    after Unmap the client reads what the bus master wrote; a common buffer serves both while it is mapped.
    Mend: Copy the client's buffer to the bounce in Map for BusMasterRead, and the bounce to the client's buffer in
    Unmap for BusMasterWrite, before the bounce is cleaned.

    @DMA-02.1
    Scenario Outline: The bus master reads what the client wrote before Map
      Given a client's buffer of <bytes> bytes that holds a secret
      When it is mapped as BusMasterRead
      Then the bus master reads the secret at the DeviceAddress

      Examples:
        | bytes |
        | 1     |
        | 512   |
        | 8200  |

    @DMA-02.2
    Scenario Outline: The client reads what the bus master wrote before Unmap
      Given a secret of <bytes> bytes that a bus master wrote through a BusMasterWrite mapping
      When that mapping is unmapped
      Then the client reads the secret in its buffer

      Examples:
        | bytes |
        | 1     |
        | 512   |
        | 8200  |

    @DMA-02.3
    Scenario: Both sides see each other's writes in a common buffer
      Given a common buffer of 4096 bytes that is mapped
      When the client writes a secret to its first half and the bus master another to its second half
      Then each reads what the other wrote

  @DMA-06 @iommu-driver @beyond-uefi @S07 @on-sev @on-vtd-open @needs-dma-client
  Rule: Unmap of a token that is no live mapping is EFI_INVALID_PARAMETER and has no effect
    Source: EDK II MdeModulePkg/Include/Protocol/IoMmu.h, EDKII_IOMMU_UNMAP: EFI_INVALID_PARAMETER for a Mapping that
    Map did not return.
    Mend: Keep a list of live mappings, look each token up in it, and touch nothing if it is not there.

    @DMA-06.1
    Scenario Outline: A client passes a token that it must not pass
      Given a secret that moves through a live BusMasterCommonBuffer mapping
      And a token that <token>
      When the client unmaps that token
      Then Unmap returns EFI_INVALID_PARAMETER
      And the live mapping still serves its bus master

      Examples:
        | token                    |
        | was unmapped before      |
        | Map never returned       |
        | is the NULL pointer      |
        | is the buffer's address  |
