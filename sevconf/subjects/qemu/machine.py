"""
The reference machine whose own device is one of QEMU's, on machines without an IOMMU and on SEV guests.

Time is real where devices are: what the guest waits, it waits, and so does the host when it lets devices go on.

Left out: machines behind VT-d, since QEMU's, once it is off, tells of no DMA.
"""

import time
from dataclasses import replace
from functools import partial
from typing import Any, cast

from sevconf.errors import Unsupported
from sevconf.model.bus import Bus
from sevconf.model.devices.copier import Copier
from sevconf.model.devices.disk import Disk
from sevconf.model.devices.own import OwnDevice
from sevconf.model.hypervisor import Hypervisor
from sevconf.model.machine import VTD_POLICIES, ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.model.recorder import Recorder
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.function import BarPciIo, QemuDisk, QemuFunction
from sevconf.subjects.qemu.ram import SharedRam
from sevconf.vocabulary import MachineKind

#: Machines that it can be.
KINDS = frozenset({MachineKind.NONE, MachineKind.SEV})
#: Seconds of a unit of 100 ns, and of a step that the host lets its devices make.
_UNIT, _STEP = 1e-7, 0.02


class PatientHypervisor(Hypervisor):
    """A host that gives its devices real time."""

    def run_devices(self, rounds: int) -> None:
        """Wait, and see what they did."""
        time.sleep(rounds * _STEP)
        super().run_devices(rounds)


class QemuMachine(ReferenceMachine):
    """
    A machine whose own device is the first on the bench, or its disk if it is a `disk`; `close` ends the bench.

    Others on the bench are functions on its bus, `others`.

    Raises:
        Unsupported: it is of a kind that it cannot be.

    """

    def __init__(
        self, kind: MachineKind, seed: int, bench: Bench, parts: Parts | None = None, *, disk: bool = False
    ) -> None:
        if kind in VTD_POLICIES:
            raise Unsupported(f"a device of QEMU's is not put on machines of kind {kind.value}")
        self.bench = bench
        shared = cast("Any", partial(SharedRam, bench.memory))
        exchanged = replace(
            parts or Parts(), ram=shared, hypervisor=PatientHypervisor, own_device=Copier, pci_io=BarPciIo
        )
        if disk:
            exchanged = replace(exchanged, disk=cast("Any", self._disk))
        super().__init__(kind, seed, exchanged)
        ram = cast("SharedRam", self.ram)
        if not disk:
            function = QemuFunction(self.recorder, bench, bench.devices[0], ram, OwnDevice.actor)
            self.functions = tuple(function if other is self.own_device else other for other in self.functions)
            self.own_device = function
        self.others = tuple(QemuFunction(self.recorder, bench, device, ram) for device in bench.devices[1:])
        self.functions += self.others

    def _disk(self, recorder: Recorder, _: Bus) -> QemuDisk:
        return QemuDisk(recorder, self.bench, self.bench.devices[0], cast("SharedRam", self.ram), Disk.actor)

    def close(self) -> None:
        """End QEMU."""
        self.bench.close()

    def _let_time_pass(self, units: int) -> None:
        time.sleep(units * _UNIT)
        super()._let_time_pass(units)
