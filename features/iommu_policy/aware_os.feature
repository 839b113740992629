@IOM
Feature: An OS that takes the IOMMU over
  It brings tables of its own, whatever the firmware's policy was.

  @IOM-09 @os @beyond-uefi @T29 @on-vtd-open @on-vtd-keep @needs-dma-client @needs-core-services @needs-os-loader @needs-iommu-policy
  Rule: An OS that knows the IOMMU replaces the firmware's grants by its own
    Source: Linux, drivers/iommu/intel/iommu.c, init_dmars.
    Mend: Build tables of the OS's own, set the root table pointer to them, and flush context cache and IOTLB.

    @IOM-09.1
    Scenario: The firmware had granted something else
      Given a live BusMasterCommonBuffer mapping of 4096 bytes
      And the OS that comes takes the IOMMU over
      When the OS loader takes the machine over
      Then the bus master reaches what the OS granted to it
      And the bus master does not reach what the firmware had granted to it

  @IOM-10 @os @beyond-uefi @S23 @on-vtd-keep @needs-dma-client @needs-core-services @needs-os-loader @needs-iommu-policy
  Rule: If translation is on when the OS takes the IOMMU over, it is never off in between
    Source: Linux, drivers/iommu/intel/iommu.c, init_dmars, which does turn it off, unless it boots as the kernel that
    saves a crash dump.
    Mend: Change the root table pointer while translation stays on, and do not clear the translation enable bit first.

    @IOM-10.1
    Scenario: A device that nobody halts reads all the time
      Given a common buffer of 4096 bytes that is mapped
      And a page with a secret that nobody has mapped
      And an intruder that reads that page at every step
      And the OS that comes takes the IOMMU over
      When the OS loader takes the machine over
      Then no access of the intruder passes while the OS takes the IOMMU over
