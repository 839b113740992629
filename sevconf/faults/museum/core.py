"""Bugs of shipped UEFI cores."""

from sevconf.faults.fault import Fault
from sevconf.model.boot_services import Core
from sevconf.model.parts import Parts
from sevconf.vocabulary import Party


class SignalsBeforeGroupAgain(Core):
    """Signals the BeforeExitBootServices group anew when the loader calls ExitBootServices again."""

    def _before_exit(self) -> None:
        self._exit_calls = 1
        super()._before_exit()


FAULTS = (
    Fault(
        "museum-before-group-again",
        Party.CORE,
        Parts(core=SignalsBeforeGroupAgain),
        ("EBS-02",),
        upstream="tianocore/edk2#10550, MdeModulePkg/Core/Dxe/DxeMain/DxeMain.c, CoreExitBootServices",
        fixed_in="tianocore/edk2#6481",
    ),
)
