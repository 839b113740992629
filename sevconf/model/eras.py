"""
Cores as EDK II had them at certain releases, where a later revision of UEFI asks for more.

Spec: UEFI 2.9, which added EFI_EVENT_GROUP_BEFORE_EXIT_BOOT_SERVICES; EDK II edk2-stable202211,
`MdeModulePkg/Core/Dxe/DxeMain/DxeMain.c`, CoreExitBootServices, which signals only the exit group.
"""

from sevconf.model.boot_services import Core


class CoreBeforeUefi29(Core):
    """A core of UEFI 2.7: it has no BeforeExitBootServices group."""

    def _before_exit(self) -> None:
        """Signal nothing."""
