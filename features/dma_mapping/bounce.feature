@DMA
Feature: Bounce memory
  What lies between a client's buffer and its bus master belongs to one mapping at a time, and to nobody afterwards.

  @DMA-12 @iommu-driver @beyond-uefi @S04 @on-sev @needs-dma-client @needs-core-services @needs-guest-memory
  Rule: Unmap of a BusMasterWrite mapping delivers no bytes of another client
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuUnmapWorker: it copies NumberOfBytes out of the bounce, however few
    of them the bus master wrote.
    Mend: Clear a BusMasterWrite bounce before the device can reach it, so that a short write leaves zeros and no former
    bytes behind.

    @DMA-12.1
    Scenario Outline: A bus master that writes less than was mapped for it
      Given a secret of 4096 bytes that a bus master moved through a <earlier> mapping
      And that mapping is unmapped
      When another client maps a page as BusMasterWrite, gets <bytes> bytes from its bus master, and unmaps
      Then that client's page holds nothing of the secret

      Examples:
        | earlier               | bytes |
        | BusMasterRead         | 0     |
        | BusMasterRead         | 100   |
        | BusMasterWrite        | 0     |
        | BusMasterWrite        | 100   |
        | BusMasterCommonBuffer | 0     |
        | BusMasterCommonBuffer | 100   |

  @DMA-13 @iommu-driver @uefi @S25 @on-sev @needs-dma-client
  Rule: Two live mappings never share memory that their bus masters reach
    Source: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): a mapping is the caller's until Unmap; EDK II e27cfda33b and
    52ab4f0e98 mended a pool that gave one buffer to two mappings.
    Mend: Mark bounce memory as taken in the same step that finds it free, at a level that no other caller of Map can
    interrupt.

    @DMA-13.1
    Scenario Outline: Several mappings of one size
      Given 3 live <operation> mappings of <bytes> bytes
      When one more of them is made
      Then no two of them share memory that a bus master reaches

      Examples:
        | operation             | bytes   |
        | BusMasterRead         | 512     |
        | BusMasterRead         | 40960   |
        | BusMasterRead         | 262144  |
        | BusMasterWrite        | 512     |
        | BusMasterWrite        | 40960   |
        | BusMasterWrite        | 262144  |
        | BusMasterCommonBuffer | 512     |
        | BusMasterCommonBuffer | 40960   |

    @DMA-13.2 @needs-interrupts
    Scenario Outline: A timer's notification maps while Map is half done
      Given a Map as <outer> that a timer will interrupt <moment>
      When the timer's notification maps another buffer as <inner>
      Then no two of them share memory that a bus master reaches

      Examples:
        | outer                 | inner                 | moment          |
        | BusMasterRead         | BusMasterRead         | at its start    |
        | BusMasterRead         | BusMasterRead         | half way        |
        | BusMasterRead         | BusMasterRead         | at its end      |
        | BusMasterRead         | BusMasterWrite        | half way        |
        | BusMasterWrite        | BusMasterRead         | half way        |
        | BusMasterWrite        | BusMasterWrite        | at its start    |
        | BusMasterWrite        | BusMasterWrite        | half way        |
        | BusMasterWrite        | BusMasterWrite        | at its end      |
        | BusMasterCommonBuffer | BusMasterWrite        | half way        |
        | BusMasterCommonBuffer | BusMasterCommonBuffer | half way        |

  @DMA-17 @iommu-driver @beyond-uefi @S30 @on-sev @needs-dma-client @needs-core-services @needs-guest-memory
  Rule: Pages are private and clean before an IOMMU driver gives them back
    Source: EDK II bc1c2e49ac; OvmfPkg/IoMmuDxe, CcIoMmu.c, IoMmuUnmapWorker: bounce pages are zeroed, and then freed.
    Mend: Set the C-bit of bounce pages and zero them through it, and only then call FreePages.

    @DMA-17.1
    Scenario Outline: What Unmap and FreeBuffer give back
      Given a secret of 8192 bytes that a bus master moved through a <operation> mapping
      When that mapping is unmapped and its buffer is freed
      Then no page was given back while the host could read it
      And who gets the pages that the bus master reached finds nothing of the secret in them

      Examples:
        | operation      |
        | BusMasterRead  |
        | BusMasterWrite |

    @DMA-17.2
    Scenario: What becomes of a common buffer
      Given a secret of 8192 bytes that a bus master moved through a BusMasterCommonBuffer mapping
      When that mapping is unmapped and its buffer is freed
      Then no page was given back while the host could read it
