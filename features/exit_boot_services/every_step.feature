@EBS
Feature: What an IOMMU driver shows to a host that is compromised at any step
  An attacker need not wait for Unmap, or for the OS. Here all of DRAM is dumped after every step of a story.

  @EBS-30 @iommu-driver @beyond-uefi @T14 @on-sev @needs-os-loader @needs-dram-dump
  Rule: At no step do data of a mapping lie in plaintext but where a device reaches them through a live mapping
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: what the guest writes with the C-bit clear is
    readable to the host at once; EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c copies by way of a private stash.
    Mend: Copy between a bounce and its client through private memory alone, and rewrite a page through the C-bit before
    its mapping counts as ended.

    @EBS-30.1 @needs-block-driver
    Scenario: A disk is started, used, stopped, started again, and handed over
      Given an attacker who dumps all of DRAM after every step
      And the disk's driver has started, and has written and read a block
      And the driver has stopped and started again
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the IOMMU driver leave a secret where the host can read it

    @EBS-30.2 @needs-block-driver @needs-write-in-flight
    Scenario: A disk is handed over with a write in flight
      Given an attacker who dumps all of DRAM after every step
      And the disk's driver has started, and has written and read a block
      And the driver has a write in flight, of which the disk has fetched the descriptor
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the IOMMU driver leave a secret where the host can read it

    @EBS-30.3 @needs-keyboard-driver
    Scenario: Keys are typed, and the keyboard is handed over
      Given an attacker who dumps all of DRAM after every step
      And the keyboard's driver has started, and keys were typed
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the IOMMU driver leave a secret where the host can read it

    @EBS-30.4 @needs-network-driver
    Scenario: Frames go both ways, and the network card is handed over
      Given an attacker who dumps all of DRAM after every step
      And the network driver has started, and frames went both ways
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the IOMMU driver leave a secret where the host can read it

    @EBS-30.5 @needs-dma-client
    Scenario: Mappings of all kinds are live at exit
      Given an attacker who dumps all of DRAM after every step
      And 2 live BusMasterRead mappings, each with a secret
      And 2 live BusMasterWrite mappings, each with a secret
      And 2 live BusMasterCommonBuffer mappings, each with a secret
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the IOMMU driver leave a secret where the host can read it
