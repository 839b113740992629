@DRV
Feature: A driver and the platform's private protocols
  A driver may look for what only some platforms have. It must do its work without.

  @DRV-30 @driver @uefi @T23 @on-none @on-sev @needs-block-driver @needs-core-services
  Rule: A driver works on a platform that has no protocol but UEFI's own
    Source: UEFI 2.10, 2.5 and 11.1: a driver that follows the driver model stands on protocols of the specification.
    Mend: Treat a private protocol as optional, so that EFI_NOT_FOUND leads to the way by PciIo and not to a failed
    start.

    @DRV-30.1
    Scenario: A whole life without private protocols
      Given a platform that has no protocol but UEFI's own
      When the driver is asked to start, to write, to read and to stop
      Then it does what it was asked

  @DRV-31 @driver @unspecified @T23 @on-none @on-sev @needs-block-driver
  Rule: Which protocols a driver looks for is its own choice
    Source: UEFI 2.10, 7.3.16 EFI_BOOT_SERVICES.LocateProtocol(): anybody may ask for anything.
    Mend: Nothing is to mend: a driver may look for any protocol, as long as it works without private ones.

    @DRV-31.1
    Scenario: The look-ups of a whole life
      When the disk's driver starts, writes and reads blocks, and stops
      Then it is answered which protocols the driver looked for
