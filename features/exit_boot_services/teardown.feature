@EBS
Feature: Tearing down DMA at ExitBootServices
  The IOMMU driver's teardown must come behind every driver's halt, and it must leave nothing behind.

  @EBS-06 @iommu-driver @beyond-uefi @T36 @T37 @T50 @on-sev @on-vtd-keep @needs-block-driver @needs-os-loader @needs-handler-tpl
  Rule: Mappings are torn down only after every driver had its turn to halt its device
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: the handler signals a second event at TPL_CALLBACK, which
    UEFI 2.10, 7.1 queues behind all handlers of the group.
    Mend: Do nothing in the exit handler but signal a private event at TPL_CALLBACK, and tear down in that one.

    @EBS-06.1
    Scenario Outline: The IOMMU driver defers its teardown behind all other handlers
      Given an IOMMU driver whose exit handler is queued at <iommu>
      And a disk that its driver halts in an exit handler at <disk>
      And the driver has a write in flight
      When the OS loader takes the machine over
      Then no mapping is torn down before the disk is halted

      Examples:
        | iommu        | disk         |
        | TPL_CALLBACK | TPL_CALLBACK |
        | TPL_CALLBACK | TPL_NOTIFY   |
        | TPL_NOTIFY   | TPL_CALLBACK |
        | TPL_NOTIFY   | TPL_NOTIFY   |

  @EBS-07 @iommu-driver @beyond-uefi @T35 @T38 @T44 @on-sev @needs-dma-client @needs-os-loader
  Rule: No mapping is live once ExitBootServices has returned, though no driver unmaps
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuExitBoot: it ends every mapping in its list. PCI drivers need not
    unmap: OvmfPkg/VirtioBlkDxe and others ceased to in 2017 (5659ec3fa9, bf99bdd1f7).
    Mend: Keep every mapping in one list, whatever its operation, and end all of it at exit.

    @EBS-07.1
    Scenario Outline: Several mappings of one kind are live
      Given <count> live <operation> mappings, each with a secret
      When the OS loader takes the machine over
      Then no mapping is live any more

      Examples:
        | count | operation             |
        | 1     | BusMasterRead         |
        | 3     | BusMasterRead         |
        | 1     | BusMasterWrite        |
        | 3     | BusMasterWrite        |
        | 1     | BusMasterCommonBuffer |
        | 3     | BusMasterCommonBuffer |

    @EBS-07.2
    Scenario: Mappings of all kinds are live
      Given 2 live BusMasterRead mappings, each with a secret
      And 2 live BusMasterWrite mappings, each with a secret
      And 2 live BusMasterCommonBuffer mappings, each with a secret
      When the OS loader takes the machine over
      Then no mapping is live any more

    @EBS-07.3
    Scenario Outline: A mapping for a bus master that addresses 64 bits
      Given a device with DUAL_ADDRESS_CYCLE <enabled>, and a live <operation> mapping
      When the OS loader takes the machine over
      Then the IOMMU driver was asked for <asked>, and that mapping is not live any more

      Examples:
        | enabled  | operation             | asked                   |
        | disabled | BusMasterRead         | BusMasterRead           |
        | disabled | BusMasterWrite        | BusMasterWrite          |
        | disabled | BusMasterCommonBuffer | BusMasterCommonBuffer   |
        | enabled  | BusMasterRead         | BusMasterRead64         |
        | enabled  | BusMasterWrite        | BusMasterWrite64        |
        | enabled  | BusMasterCommonBuffer | BusMasterCommonBuffer64 |

  @EBS-08 @iommu-driver @beyond-uefi @T04 @T18 @T24 @T25 @on-sev @needs-dma-client @needs-os-loader @needs-dram-dump
  Rule: When the OS owns the machine, no data of any mapping lies in plaintext, whatever page tables it loads
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: bytes are encrypted when they are written to DRAM, so
    the OS's own page tables come too late; EDK II OvmfPkg/IoMmuDxe rewrites every mapping.
    Mend: Rewrite the pages of every live mapping through the C-bit during the teardown; the OS cannot do it later.

    @EBS-08.1
    Scenario Outline: A secret in a mapping that was live at exit
      Given <count> live <operation> mappings, each with a secret
      And the OS loader has taken the machine over, with page tables of its own
      When the hypervisor is compromised
      Then the attacker finds no secret

      Examples:
        | count | operation             |
        | 1     | BusMasterRead         |
        | 3     | BusMasterRead         |
        | 1     | BusMasterWrite        |
        | 3     | BusMasterWrite        |
        | 1     | BusMasterCommonBuffer |
        | 3     | BusMasterCommonBuffer |

    @EBS-08.2 @needs-block-driver
    Scenario: A secret that went to a disk and came back
      Given a disk whose driver has written a secret and read it back
      And the OS loader has taken the machine over, with page tables of its own
      When the hypervisor is compromised
      Then the attacker finds no secret

  @EBS-09 @iommu-driver @beyond-uefi @T32 @on-sev @needs-block-driver @needs-write-in-flight @needs-handler-tpl @needs-os-loader
  Rule: A command that is in flight at exit puts no garbage on the disk
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: DMA under SEV goes to shared memory only; a device
    that still runs reads ciphertext where a mapping was torn down under it, and nothing faults.
    Mend: Defer the teardown until all drivers have halted their devices.

    @EBS-09.1
    Scenario Outline: The disk has got some way with a write when the machine is handed over
      Given an IOMMU driver whose exit handler is queued at <iommu>
      And a disk that its driver halts in an exit handler at <disk>
      And the driver has a write in flight, of which the disk has <progress>
      When the OS loader takes the machine over
      And the outside world goes on
      Then every block on the disk is as it was, or as it was commanded

      Examples:
        | iommu        | disk         | progress               |
        | TPL_CALLBACK | TPL_CALLBACK | seen nothing           |
        | TPL_CALLBACK | TPL_CALLBACK | fetched the descriptor |
        | TPL_CALLBACK | TPL_CALLBACK | moved the data         |
        | TPL_CALLBACK | TPL_NOTIFY   | seen nothing           |
        | TPL_CALLBACK | TPL_NOTIFY   | fetched the descriptor |
        | TPL_CALLBACK | TPL_NOTIFY   | moved the data         |
        | TPL_NOTIFY   | TPL_CALLBACK | seen nothing           |
        | TPL_NOTIFY   | TPL_CALLBACK | fetched the descriptor |
        | TPL_NOTIFY   | TPL_CALLBACK | moved the data         |
        | TPL_NOTIFY   | TPL_NOTIFY   | seen nothing           |
        | TPL_NOTIFY   | TPL_NOTIFY   | fetched the descriptor |
        | TPL_NOTIFY   | TPL_NOTIFY   | moved the data         |
