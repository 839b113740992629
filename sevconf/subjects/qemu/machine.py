"""
The reference machine with one device of QEMU's beside its own, on machines without an IOMMU and on SEV guests.

Time is real where devices are: what the guest waits, it waits, and so does the host when it lets devices go on.

Left out: machines behind VT-d.
"""

import time
from dataclasses import replace
from functools import partial
from typing import Any, cast

from sevconf.errors import Unsupported
from sevconf.model.hypervisor import Hypervisor
from sevconf.model.machine import RAM_SIZE, VTD_POLICIES, ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.function import QemuFunction
from sevconf.subjects.qemu.models import Order
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
    A machine with the device of an order, which is `device`; made with QEMU running, which `close` ends.

    Raises:
        Unsupported: it is of a kind that it cannot be.

    """

    def __init__(self, kind: MachineKind, seed: int, order: Order, parts: Parts | None = None) -> None:
        if kind in VTD_POLICIES:
            raise Unsupported(f"a device of QEMU's is not put on machines of kind {kind.value}")
        self.bench = Bench([order], ram_size=RAM_SIZE)
        self.device: QemuFunction | None = None
        try:
            shared = cast("Any", partial(SharedRam, self.bench.memory))
            super().__init__(kind, seed, replace(parts or Parts(), ram=shared, hypervisor=PatientHypervisor))
            ram = cast("SharedRam", self.ram)
            self.device = QemuFunction(self.recorder, self.bench, self.bench.devices[0], ram)
        except BaseException:
            self.bench.close()
            raise
        self.functions = (*self.functions, self.device)  # type: ignore[assignment]

    def close(self) -> None:
        """End QEMU."""
        self.bench.close()

    def _step_devices(self) -> None:
        super()._step_devices()
        if self.device is not None:
            self.device.step()

    def _let_time_pass(self, units: int) -> None:
        time.sleep(units * _UNIT)
        super()._let_time_pass(units)
