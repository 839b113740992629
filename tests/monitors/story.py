"""Traces made by hand: the recorder of the model, and short words for what happens in them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sevconf.model.recorder import Recorder
from sevconf.monitors import Breach, Monitor
from sevconf.trace import (
    CBitChanged,
    DeviceRegister,
    DeviceState,
    Dma,
    EventQueued,
    ExitPhase,
    MappingEnded,
    MappingMade,
    NotificationBegan,
    NotificationEnded,
    Phase,
    Trace,
)
from sevconf.vocabulary import CBit, DmaOperation, EfiStatus, EventGroup, Gpa, Gva, Tpl

DRIVER, IOMMU, LOADER, DISK = "driver:disk", "iommu-driver:sev", "os-loader:os", "device:disk"
EXIT = EventGroup.EXIT_BOOT_SERVICES.value
COMMON = DmaOperation.COMMON_BUFFER


class Story(Recorder):
    """A trace that grows by acts; who acts is the driver of the disk, unless somebody else is named."""

    def __init__(self) -> None:
        super().__init__(Trace())
        self._actors = [DRIVER]

    @property
    def step(self) -> int:
        """The newest step."""
        return len(self.trace)

    def serve(self, service: str, status: EfiStatus = EfiStatus.SUCCESS, **arguments: int | str) -> int:
        """Call a service that returns at once; returns the step of the call."""
        with self.service(service, "core", **arguments) as call:
            step = self.step
            call.returns(status)
        return step

    def allocate_buffer(self, host: int, pages: int = 1) -> None:
        """Get a common buffer."""
        with self.service("PciIo.AllocateBuffer", "pci", pages=pages) as call:
            call.returns(EfiStatus.SUCCESS, host=host)

    def map(
        self,
        name: str = "M1",
        operation: DmaOperation = COMMON,
        *,
        host: int = 0x1000,
        device: int | None = None,
        length: int = 0x1000,
        bus_master: str = DISK,
    ) -> int:
        """Map; returns the step at which the mapping is live."""
        owner = self.actor
        with self.service("PciIo.Map", "pci", operation=operation.value, host=host, length=length) as call:
            made = self.record(
                MappingMade,
                mapping=name,
                owner=owner,
                bus_master=bus_master,
                operation=operation,
                host=Gpa(host),
                device=host if device is None else device,
                length=length,
            )
            call.returns(EfiStatus.SUCCESS)
        return made.step

    def unmap(self, name: str = "M1", *, ends: bool = True) -> int:
        """Unmap, which ends a mapping or not; returns the step of the call."""
        with self.service("PciIo.Unmap", "pci", mapping=name) as call:
            step = self.step
            if ends:
                self.record(MappingEnded, by=IOMMU, mapping=name)
            call.returns(EfiStatus.SUCCESS if ends else EfiStatus.INVALID_PARAMETER)
        return step

    def tear_down(self, name: str = "M1") -> int:
        """Let the IOMMU driver end a mapping of its own accord."""
        return self.record(MappingEnded, by=IOMMU, mapping=name).step

    def close(self, start: int, pages: int = 1) -> int:
        """Let the IOMMU driver make pages private."""
        return self.record(CBitChanged, by=IOMMU, gva=Gva(start), gpa=Gpa(start), pages=pages, cbit=CBit.SET).step

    def drive(self, device: str = DISK) -> None:
        """Touch a register of a device, so that it is the actor's."""
        self.record(DeviceRegister, device=device, register="CONTROL", value=1, write=True)

    def run(self, device: str = DISK, *, running: bool = True) -> int:
        """Start or halt a device, by its driver."""
        self.drive(device)
        return self.record(DeviceState, by=device, device=device, running=running).step

    def halt(self, device: str = DISK) -> int:
        """Halt a device."""
        return self.run(device, running=False)

    def dma(
        self, address: int = 0x1000, length: int = 16, *, write: bool = False, device: str = DISK, by: str | None = None
    ) -> int:
        """Let a device access memory."""
        return self.record(Dma, by=by or device, device=device, address=address, length=length, write=write).step

    def phase(self, phase: Phase) -> int:
        """Let ExitBootServices get on."""
        return self.record(ExitPhase, by="core", phase=phase).step

    def queue(self, *events: str) -> None:
        """Queue exit handlers."""
        for event in events:
            self.record(EventQueued, by="core", event=event, notify_tpl=Tpl.CALLBACK)

    @contextmanager
    def handler(
        self, event: str = "exit", by: str = DRIVER, *, group: str | None = EXIT, leaves: Tpl = Tpl.CALLBACK
    ) -> Iterator[int]:
        """Do what follows in a notification function, at TPL_CALLBACK."""
        self.tpl = Tpl.CALLBACK
        began = self.record(NotificationBegan, by=by, event=event, group=group)
        with self.acting(by), self.inside(began.step):
            yield began.step
        self.tpl = leaves
        self.record(NotificationEnded, by=by, event=event, began=began.step)
        self.tpl = Tpl.APPLICATION

    @contextmanager
    def exit(self, *events: str) -> Iterator[int]:
        """Do what follows while the exit handlers run, with these queued."""
        opened = self.phase(Phase.KEY_ACCEPTED)
        self.queue(*events)
        yield opened
        self.phase(Phase.HANDLERS_DONE)

    def found(self, monitor: Monitor) -> list[Breach]:
        """Return what a monitor finds, checked to be of its rule and proved by steps of the trace."""
        breaches = list(monitor.breaches(self.trace))
        for breach in breaches:
            assert breach.rule == monitor.rule
            assert breach.expected
            assert breach.observed
            assert all(1 <= step <= self.step for step in breach.steps)
            assert f"step {breach.steps[-1]}" in breach.observed or monitor.rule.startswith(("MEM", "DMA"))
            assert breach.consequences == ()
        return breaches
