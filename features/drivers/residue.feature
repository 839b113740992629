@DRV
Feature: What typing, saving and the network leave in DMA buffers
  A keystroke is never 32 bytes that lie side by side. It is a report of eight bytes with a usage code in it, and it may
  lie in a buffer of its own; so reports are looked for one by one, sectors and frames by runs of their bytes.

  @DRV-24 @iommu-driver @beyond-uefi @T13 @on-sev @needs-dram-dump
  Rule: Nothing that was typed, saved or received lies in plaintext once its mapping has ended
    Source: EDK II OvmfPkg/IoMmuDxe, CcIoMmu.c, Unmap and IoMmuExitBoot; MdeModulePkg/Bus/Usb/UsbKbDxe/KeyBoard.c
    reads reports of eight bytes, and MdeModulePkg/Bus/Pci/EhciDxe maps the memory that they arrive in.
    Mend: Overwrite every byte of the bounce, down to the last partial block, through the C-bit in Unmap and in the
    teardown.

    @DRV-24.1 @needs-keyboard-driver @needs-keyboard-transfers @needs-os-loader
    Scenario Outline: Keys were typed, and the last ones nobody has read
      Given a keyboard whose reports arrive in <memory>
      And keys of a secret were typed, the last of them unread
      And the keyboard's mappings have ended: <end>
      When the hypervisor is compromised
      Then the attacker finds no secret

      Examples:
        | memory                 | end                         |
        | a common buffer        | its driver was stopped      |
        | a common buffer        | the machine was handed over |
        | a mapping per transfer | its driver was stopped      |
        | a mapping per transfer | the machine was handed over |

    @DRV-24.2 @needs-keyboard-driver @needs-block-driver @needs-write-in-flight @needs-os-loader
    Scenario: What was typed was saved to a disk
      Given the keyboard's driver has started
      And keys of a secret were typed, the last of them unread
      And a text of that secret is on its way to the disk
      And the OS loader has taken the machine over, with page tables of its own
      When the hypervisor is compromised
      Then the attacker finds no secret

    @DRV-24.3 @needs-network-driver @needs-os-loader
    Scenario: A frame was received, and sent back
      Given the network driver has started
      And a frame with a secret was received, and sent back
      And the OS loader has taken the machine over, with page tables of its own
      When the hypervisor is compromised
      Then the attacker finds no secret
