"""The table of levels against UEFI 2.10, 7.1 "TPL Restrictions", row by row."""

import pytest

from sevconf.vocabulary import Tpl, restriction

APPLICATION, CALLBACK, NOTIFY, HIGH = Tpl.APPLICATION, Tpl.CALLBACK, Tpl.NOTIFY, Tpl.HIGH_LEVEL

ROWS = [
    ("ExitBootServices WaitForEvent FormBrowser2.SendForm UserManager.Identify", {APPLICATION}),
    ("SimpleTextIn.ReadKeyStroke SimpleTextIn.Reset SimpleTextInEx.ReadKeyStrokeEx", {APPLICATION}),
    ("LoadImage StartImage", {APPLICATION}),
    ("UnloadImage Exit GetTime SetVariable BlockIo.ReadBlocks BlockIo2.WriteBlocksEx", {APPLICATION, CALLBACK}),
    ("DiskIo.ReadDisk SimpleFileSystem.OpenVolume SimpleTextIn.Other SerialIo.Write", {APPLICATION, CALLBACK}),
    ("SimpleNetwork.Transmit Udp6.Receive Tls.SetSessionData Supplicant.GetData", {APPLICATION, CALLBACK}),
    ("AcpiTable.InstallAcpiTable", {APPLICATION, CALLBACK}),
    ("AllocatePages FreePages AllocatePool FreePool GetMemoryMap", {APPLICATION, CALLBACK, NOTIFY}),
    ("LocateProtocol InstallProtocolInterface DisconnectController", {APPLICATION, CALLBACK, NOTIFY}),
    ("SimpleTextOut.OutputString PciIo.Map IoMmu.Unmap Vendor.DoesThings", {APPLICATION, CALLBACK, NOTIFY}),
    ("CreateEvent CreateEventEx CloseEvent CheckEvent SetTimer", {APPLICATION, CALLBACK, NOTIFY}),
    ("SignalEvent Stall", {APPLICATION, CALLBACK, NOTIFY, HIGH}),
]


@pytest.mark.parametrize(("services", "levels"), ROWS)
def test_legal_levels(services: str, levels: set[Tpl]) -> None:
    """Each service may be called at the levels that its row allows, and at no other."""
    for service in services.split():
        found = restriction(service)
        assert found is not None
        assert {tpl for tpl in Tpl if found.allows(tpl)} == levels


@pytest.mark.parametrize("service", ["RaiseTPL", "RestoreTPL"])
def test_services_without_a_row(service: str) -> None:
    """What changes the level is restricted in no way."""
    assert restriction(service) is None


def test_words() -> None:
    """A restriction reads as in the table."""
    words = [str(restriction(service)) for service in ("WaitForEvent", "LoadImage", "AllocatePool")]
    assert words == ["= TPL_APPLICATION", "< TPL_CALLBACK", "<= TPL_NOTIFY"]
