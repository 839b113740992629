"""
Want of resources, on request: what a driver asks for fails, or is given in part, and everybody else is served as ever.

A driver is given its services through `core` and `pci_io`. Of the services that may fail for want of resources one call
can be chosen by its number; Map can be limited to fewer bytes than it is asked for.

Spec: UEFI 2.10, 7.1.1, 7.1.2, 7.2.1, 7.2.4, 14.4 (EFI_OUT_OF_RESOURCES); 14.4 EFI_PCI_IO_PROTOCOL.Map(): NumberOfBytes
is what was mapped on return.
Left out: failures of other kinds, such as EFI_DEVICE_ERROR.
"""

from collections.abc import Callable
from typing import Any, cast

from sevconf.contract.driver import BootServices, EventHandle, Mapped, MappingToken, PciIo
from sevconf.model.recorder import Recorder
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva

_FULL = EfiStatus.OUT_OF_RESOURCES
#: What each method returns when it fails, with the service that it is and who provides it.
_FAILURES: dict[str, tuple[str, str, object]] = {
    "create_event": ("CreateEvent", "core", (_FULL, EventHandle(0))),
    "create_event_ex": ("CreateEventEx", "core", (_FULL, EventHandle(0))),
    "allocate_pages": ("AllocatePages", "core", (_FULL, Gva(0))),
    "allocate_pool": ("AllocatePool", "core", (_FULL, Gva(0))),
    "allocate_buffer": ("PciIo.AllocateBuffer", "pci", (_FULL, Gva(0))),
    "map": ("PciIo.Map", "pci", Mapped(_FULL, 0, 0, MappingToken(0))),
}


class Shortage:
    """What runs short, and when: nothing, at first."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._calls_left = 0
        self._most: int | None = None

    def fail_call(self, number: int) -> None:
        """Let the call of that number (from 1, counted from now) fail; 0: none."""
        self._calls_left = number

    @property
    def pending(self) -> bool:
        """Whether the call that shall fail has not come yet."""
        return self._calls_left > 0

    def map_at_most(self, length: int | None) -> None:
        """Let Map map no more than that many bytes; None: as many as it is asked for."""
        self._most = length

    def core(self, provider: BootServices) -> BootServices:
        """Return the core's services as the driver gets them."""
        return cast("BootServices", _Short(provider, self))

    def pci_io(self, provider: PciIo) -> PciIo:
        """Return PciIo as the driver gets it."""
        return cast("PciIo", _Short(provider, self))

    def serve(self, method: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a service that may run short."""
        service, provider, failure = _FAILURES[method]

        def short(*given: Any, **named: Any) -> Any:
            if self._strikes():
                with self._recorder.service(service, provider) as call:
                    call.returns(_FULL)
                return failure
            if method == "map" and self._most is not None:
                return self._map_in_part(function, self._most, *given, **named)
            return function(*given, **named)

        return short

    def _strikes(self) -> bool:
        """Count a call, and tell whether it is the one."""
        if not self.pending:
            return False
        self._calls_left -= 1
        return not self.pending

    @staticmethod
    def _map_in_part(
        function: Callable[..., Mapped], most: int, operation: DmaOperation, host_address: Gva, length: int
    ) -> Mapped:
        return function(operation, host_address, min(length, most))


class _Short:
    """A provider of services, some of which may run short."""

    def __init__(self, provider: object, shortage: Shortage) -> None:
        self._provider = provider
        self._shortage = shortage

    def __getattr__(self, method: str) -> Any:
        function = getattr(self._provider, method)
        return self._shortage.serve(method, function) if method in _FAILURES else function
