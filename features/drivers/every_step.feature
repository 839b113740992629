@DRV
Feature: What a driver shows to a host that is compromised at any step
  An attacker need not wait for a moment that a rule names. Here all of DRAM is dumped after every step of a story.

  @DRV-60 @driver @beyond-uefi @T14 @on-sev @needs-os-loader @needs-dram-dump
  Rule: At no step do data of a driver's device lie in plaintext outside its live mappings
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: pages are shared whole, so the host reads what lies
    beside a mapped buffer on its pages as well; EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c clears the C-bit page by page.
    Mend: Keep no copy of data, not for a moment, on a page that is mapped as a common buffer, unless it is inside the
    mapped bytes for the device to use.

    @DRV-60.1 @needs-block-driver
    Scenario: A disk is started, used, stopped, started again, and handed over
      Given an attacker who dumps all of DRAM after every step
      And the disk's driver has started, and has written and read a block
      And the driver has stopped and started again
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the driver leave a secret where the host can read it

    @DRV-60.2 @needs-block-driver @needs-write-in-flight
    Scenario: A disk is handed over with a write in flight
      Given an attacker who dumps all of DRAM after every step
      And the disk's driver has started, and has written and read a block
      And the driver has a write in flight, of which the disk has fetched the descriptor
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the driver leave a secret where the host can read it

    @DRV-60.3 @needs-keyboard-driver
    Scenario: Keys are typed, and the keyboard is handed over
      Given an attacker who dumps all of DRAM after every step
      And the keyboard's driver has started, and keys were typed
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the driver leave a secret where the host can read it

    @DRV-60.4 @needs-network-driver
    Scenario: Frames go both ways, and the network card is handed over
      Given an attacker who dumps all of DRAM after every step
      And the network driver has started, and frames went both ways
      When the OS loader takes the machine over
      And the outside world goes on
      Then at no step did the driver leave a secret where the host can read it
