@MEM
Feature: No memory services in exit handlers
  The OS loader took the memory map before; whoever changes it now leaves the OS with a stale one, and nobody tells it.

  @MEM-01 @driver @uefi @T21 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver @needs-os-loader @needs-core-services
  Rule: An exit handler of a driver calls no memory allocation service
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES.
    Mend: Free nothing and allocate nothing in the handler: the memory goes to the OS as it is.

    @MEM-01.1
    Scenario: What the handler calls itself
      Given the disk's driver has started, and has written and read a block
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then no exit handler of the driver calls a memory allocation service

  @MEM-02 @driver @uefi @T21 @S13 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver @needs-os-loader @needs-core-services
  Rule: Nor does it call anything that uses memory allocation services
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES: neither directly
    nor through other functions.
    Mend: Halt the device and return; leave FreeBuffer, Unmap and disconnecting to Stop.

    @MEM-02.1
    Scenario: What happens inside the calls of the handler
      Given the disk's driver has started, and has written and read a block
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then no exit handler of the driver brings a memory allocation service about

  @MEM-03 @driver @advisory @S13 @on-none @on-sev @on-vtd-open @on-vtd-keep @needs-block-driver @needs-os-loader @needs-core-services
  Rule: An exit handler of a driver should neither create nor close events
    Source: EDK II MdeModulePkg/Core/Dxe/Event/Event.c: CreateEvent allocates pool and CloseEvent frees it; the
    specification leaves open how a core keeps events.
    Mend: Leave events open at exit: they end with boot services.

    @MEM-03.1
    Scenario: The event services that the handler calls
      Given the disk's driver has started, and has written and read a block
      And a witness has an exit handler
      When the OS loader takes the machine over
      Then no exit handler of the driver creates or closes an event

  @MEM-04 @iommu-driver @uefi @T06 @T21 @T47 @on-sev @on-vtd-keep @needs-dma-client @needs-os-loader @needs-handler-tpl
  Rule: The IOMMU driver's teardown uses no memory allocation services
    Source: UEFI 2.10, 7.1.2 EFI_BOOT_SERVICES.CreateEventEx(), on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES; EDK II
    OvmfPkg/IoMmuDxe, which frees nothing once its exit event has run.
    Mend: Let the teardown reuse what Map took, and leave freed memory to the OS.

    @MEM-04.1
    Scenario Outline: Mappings of one kind are live at exit
      Given an IOMMU driver whose exit handler is queued at <iommu>
      And 2 live <operation> mappings, each with a secret
      When the OS loader takes the machine over
      Then the IOMMU driver ends them without a memory allocation service
      And the memory map is still the one that the OS loader holds

      Examples:
        | iommu        | operation             |
        | TPL_CALLBACK | BusMasterRead         |
        | TPL_CALLBACK | BusMasterWrite        |
        | TPL_CALLBACK | BusMasterCommonBuffer |
        | TPL_NOTIFY   | BusMasterRead         |
        | TPL_NOTIFY   | BusMasterWrite        |
        | TPL_NOTIFY   | BusMasterCommonBuffer |
