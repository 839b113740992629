"""Bugs of shipped OS loaders."""

from sevconf.faults.fault import Fault
from sevconf.model.os_loader import OsLoader
from sevconf.model.parts import Parts
from sevconf.vocabulary import Party


class TakesOneRefusalForTheEnd(OsLoader):
    """Fails when ExitBootServices refuses its MapKey, though firmware changed the memory map inside that call."""

    def tries_again(self) -> bool:
        """Fail."""
        return False


FAULTS = (
    Fault(
        "museum-one-refusal",
        Party.OS_LOADER,
        Parts(loader=TakesOneRefusalForTheEnd),
        ("EBS-03",),
        upstream="unikraft/unikraft#1105, plat/kvm/efi.c; likewise rust-osdev/uefi-rs#523",
        fixed_in="unikraft/unikraft#1105; rust-osdev/uefi-rs#653",
    ),
)
