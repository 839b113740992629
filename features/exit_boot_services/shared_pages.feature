@EBS
Feature: What is shared with the host when the machine is handed over

  @EBS-25 @iommu-driver @beyond-uefi @S18 @on-sev @needs-dma-client @needs-core-services @needs-guest-memory @needs-dram-dump
  Rule: At hand-over the pages that the host can read are those that the platform declares, and no data are in them
    Source: EDK II OvmfPkg/PlatformPei/AmdSev.c: the pages that stay shared, GHCBs, are reserved in the memory map.
    Mend: Close and clean every page that the driver opened, pools and bounces included, and leave shared only what the
    memory map reserves.

    @EBS-25.1
    Scenario Outline: C-bits of all RAM after ExitBootServices
      Given a secret of 6000 bytes that a bus master moved through a <operation> mapping
      And that mapping is unmapped
      And 1 live <operation> mappings, each with a secret
      When ExitBootServices is called with the current MapKey
      Then the C-bit is clear on no page but those that the platform declares
      And no secret lies in a page that it declares

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |

  @EBS-26 @iommu-driver @beyond-uefi @T31 @limit @on-sev @needs-dma-client @needs-core-services @needs-guest-memory @needs-os-loader @needs-dram-dump @needs-handler-tpl
  Rule: To open all RAM at exit, as VT-d may, is to decrypt all of it under SEV
    Source: edk2-platforms, IntelVTdDxe/DmaProtection.c lets all DMA through at exit; Linux,
    Documentation/arch/x86/amd-memory-encryption.rst: what a device can reach is what the host can read.
    Mend: Close mappings at exit under SEV instead of opening memory, and keep a policy that lets all DMA through for
    IOMMUs that only block.

    @EBS-26.1
    Scenario Outline: An IOMMU driver that opens all RAM at exit
      Given an IOMMU driver that opens all RAM at exit
      And a secret in a client's memory that <past>, which a dump does not find
      And the OS loader has taken the machine over, with page tables of its own
      When the hypervisor is compromised
      Then the attacker finds the secret in all of the client's memory

      Examples:
        | past                    |
        | no mapping ever had     |
        | was mapped and unmapped |
