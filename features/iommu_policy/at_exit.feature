@IOM
Feature: What VT-d does at ExitBootServices
  By policy the driver opens, for an OS that knows no IOMMU, or keeps its protection. Neither forbids all DMA.

  @IOM-05 @iommu-driver @beyond-uefi @T28 @T30 @on-vtd-open @on-vtd-keep @needs-block-driver @needs-write-in-flight @needs-handler-tpl @needs-os-loader
  Rule: Until every exit handler has run, no DMA inside a live mapping faults
    Source: EDK II edk2-platforms, IntelVTdDxe/DmaProtection.c, OnExitBootServices: it turns translation off or leaves
    grants as they are; devices are halted by handlers that may run behind it.
    Mend: Leave the entries of live mappings present in the exit handler, and change grants or translation only behind
    all other handlers.

    @IOM-05.1
    Scenario Outline: A disk works until its driver's handler
      Given an IOMMU driver whose exit handler is queued at <iommu>
      And a disk that its driver halts in an exit handler at <disk>
      And the driver has a write in flight
      When the OS loader takes the machine over
      Then no DMA of the disk inside a live mapping faults

      Examples:
        | iommu        | disk         |
        | TPL_CALLBACK | TPL_CALLBACK |
        | TPL_CALLBACK | TPL_NOTIFY   |
        | TPL_NOTIFY   | TPL_CALLBACK |
        | TPL_NOTIFY   | TPL_NOTIFY   |

  @IOM-06 @iommu-driver @beyond-uefi @T27 @on-vtd-open @needs-dma-client @needs-core-services @needs-os-loader @needs-iommu-policy
  Rule: Under the policy open, an OS that knows no IOMMU finds all DMA allowed
    Source: EDK II edk2-platforms, IntelVTdDxe/DmaProtection.c, OnExitBootServices, and PcdVTdPolicyPropertyMask, whose
    default it is.
    Mend: Turn translation off behind the exit handlers if the policy is open, on every remapping unit of the platform.

    @IOM-06.1
    Scenario Outline: Memory that the firmware never opened
      Given a page with a secret that nobody has mapped, which no bus master can reach
      And the OS loader has taken the machine over, with page tables of its own
      When <who> <act> that page
      Then the access passes

      Examples:
        | who                | act       |
        | the bus master     | reads     |
        | the bus master     | writes to |
        | another bus master | reads     |
        | another bus master | writes to |

  @IOM-07 @iommu-driver @beyond-uefi @T28 @on-vtd-keep @needs-block-driver @needs-core-services @needs-os-loader @needs-iommu-policy
  Rule: Under the policy keep, what was not granted passes neither in nor behind the exit handlers
    Source: EDK II edk2-platforms, IntelVTdDxe/DmaProtection.c, OnExitBootServices: with BIT1 of PcdVTdPolicyPropertyMask
    translation stays on.
    Mend: Leave translation on with its tables in place, and set no entry at exit that SetAttribute did not ask for.

    @IOM-07.1
    Scenario: A device that nobody halts reads all the time
      Given the disk's driver has started, and has written and read a block
      And a page with a secret that nobody has mapped
      And an intruder that reads that page at every step
      When the OS loader takes the machine over
      And the outside world goes on
      Then no access of the intruder passes

  @IOM-08 @iommu-driver @beyond-uefi @S22 @on-vtd-keep @needs-dma-client @needs-core-services @needs-os-loader @needs-iommu-policy
  Rule: Under the policy keep, no grant reaches memory that the OS owns now
    Source: UEFI 2.10, 7.2, table "Memory Type Usage after ExitBootServices()": boot services memory is free for use by
    the OS. EDK II edk2-platforms, IntelVTdDxe leaves such grants in place; tianocore/edk2 issue 9870 discusses it.
    Mend: Clear, behind all exit handlers, each entry whose page is of a type that the OS may reuse, and flush the
    IOTLB.

    @IOM-08.1
    Scenario Outline: A mapping that was live at exit
      Given a live <operation> mapping of <bytes> bytes
      And the OS loader has taken the machine over, with page tables of its own
      And the OS has written a secret to that page
      When the bus master <act> that page
      Then the access faults, and the page is as it was

      Examples:
        | operation             | bytes | act       |
        | BusMasterRead         | 512   | reads     |
        | BusMasterRead         | 4096  | reads     |
        | BusMasterWrite        | 512   | writes to |
        | BusMasterWrite        | 4096  | writes to |
        | BusMasterCommonBuffer | 4096  | reads     |
        | BusMasterCommonBuffer | 4096  | writes to |
