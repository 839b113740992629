@TM
Feature: What a device sees, and when it is a leak

  @TM-03 @memory @beyond-uefi @T15 @on-sev @needs-dma-client @needs-dram-dump
  Rule: What lies in a live mapping is in the clear, and is no leak
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: DMA goes through shared memory. What goes through it
    after a compromise is seen anyway, so only what should have been encrypted before can leak.
    Mend: Search a dump only for data whose mapping has ended, and leave live mappings out of the count of leaks.

    @TM-03.1
    Scenario Outline: A dump while a mapping is live
      Given a secret of 4096 bytes that a bus master moved through a <operation> mapping
      When the hypervisor is compromised
      Then the attacker finds the secret where the bus master reaches it, and nobody is blamed

      Examples:
        | operation             |
        | BusMasterRead         |
        | BusMasterWrite        |
        | BusMasterCommonBuffer |

  @TM-04 @memory @beyond-uefi @T48 @on-sev @needs-dma-client @needs-core-services @needs-guest-memory
  Rule: What was not opened for it is ciphertext to a device, and what the device writes there is garbage to the guest
    Source: Linux, Documentation/arch/x86/amd-memory-encryption.rst: a device has no key. Under SEV and SEV-ES nothing
    faults. Z.-H. Du et al., "Secure Encrypted Virtualization is Unsecure", 2017: the physical address is a tweak of the
    cipher.
    Mend: Let DMA move the bytes of DRAM as they lie, past the cipher, whatever page-table entries say.

    @TM-04.1
    Scenario Outline: A device reads where nothing is open
      Given a client's secret in memory that <past>
      When a bus master reads it at its HostAddress
      Then it has read only ciphertext, and no DMA faulted

      Examples:
        | past                                   |
        | no mapping ever had                    |
        | was mapped as a common buffer          |
        | is mapped as BusMasterRead by a bounce |

    @TM-04.2
    Scenario Outline: A device writes where nothing is open
      Given a client's secret in memory that <past>
      When a bus master writes 512 bytes at its HostAddress
      Then the client reads garbage there, and no DMA faulted

      Examples:
        | past                                   |
        | no mapping ever had                    |
        | was mapped as a common buffer          |
        | is mapped as BusMasterRead by a bounce |

    @TM-04.3
    Scenario: A device carries what it read to another place
      Given a client's secret in memory that no mapping ever had
      When a bus master copies it, as it lies, to another page that no mapping ever had
      Then the client reads garbage there, and no DMA faulted

  @TM-05 @memory @uefi @S38 @on-none @on-sev @needs-block-driver @needs-os-loader
  Rule: What is asked beyond UEFI can be met together with UEFI, by one driver in one run
    Source: UEFI 2.10, 14.4 and 7.4.6; what this suite asks beyond them is tagged so.
    Mend: Halt the device in the exit handler and leave mappings and memory as they are, which satisfies both.

    @TM-05.1
    Scenario: The reference driver, a hand-over, and every rule that holds in all runs
      Given a conforming driver has been taken through the whole life of its disk
      And a conforming driver is at work again
      When the OS loader takes the machine over
      Then no monitor of any basis blames anybody
