"""Real firmware as a target: it provides the party `core`, on a machine without encryption and IOMMU."""

import hashlib
from functools import cached_property
from typing import NoReturn

from sevconf.contract import Capability, Identity
from sevconf.errors import Unsupported
from sevconf.subjects.firmware.boards import Board, board
from sevconf.subjects.firmware.facets import CoreFacet
from sevconf.subjects.firmware.guest import Guest, Stable
from sevconf.subjects.firmware.packages import version
from sevconf.subjects.firmware.qemu import version as qemu_version
from sevconf.subjects.firmware.story import Story
from sevconf.trace import Trace
from sevconf.vocabulary import MachineKind, Party, Revision


class _Absent:
    """A facet that real firmware has not: `what` is not there to act on."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __get__(self, machine: object, owner: type) -> NoReturn:
        raise Unsupported(f"real firmware is judged as a core alone: there is no {self._what} to act on")


class FirmwareMachine:
    """One restored machine; of the contract's facets it has `core`."""

    setup = _Absent("driver of the suite's own")
    memory = _Absent("guest memory")
    host = _Absent("host")
    dma = _Absent("bus master of the scenario's own")
    driver = _Absent("block driver")
    keyboard = _Absent("keyboard driver")
    network = _Absent("network driver")
    own_device = _Absent("device of a driver's own")
    loader = _Absent("OS loader")
    iommu = _Absent("IOMMU")

    def __init__(self, guest: Guest) -> None:
        self.trace = Trace()
        self._guest = guest
        self.core = CoreFacet(guest, Story(self.trace))

    def close(self) -> None:
        """End the machine."""
        self._guest.close()


class FirmwareTarget:
    """
    A firmware image by its board's name (`ovmf`, `u-boot`, `firmware:IMAGE`); it boots when a machine is first wanted.

    Raises:
        UsageError: an option is unknown, or a tool or image is missing.

    """

    parties = frozenset({Party.CORE})
    kinds = frozenset({MachineKind.NONE})
    capabilities = frozenset({Capability.CORE_SERVICES})

    def __init__(self, name: str) -> None:
        self.board: Board = board(name)
        self._booted: Stable | None = None

    @property
    def stable(self) -> Stable:
        """Where its machines come from."""
        if self._booted is None:
            self._booted = Stable(self.board)
        return self._booted

    @cached_property
    def identity(self) -> Identity:
        """The image, and the QEMU beneath it."""
        digest = hashlib.sha256(self.board.image.read_bytes()).hexdigest()
        package = self.board.package
        tools = (("qemu", qemu_version(self.board.qemu)),)
        return Identity(self.board.name, "firmware", digest, package, version(package) if package else "", tools)

    @cached_property
    def revision(self) -> Revision:
        """The newest revision that the suite knows and that is not beyond the one its tables state."""
        stated = self.stable.revision >> 16, (self.stable.revision & 0xFFFF) // 10
        known = sorted(Revision, key=lambda revision: revision.order)
        return [revision for revision in known if revision.order <= stated][-1]

    def open(self, kind: MachineKind, seed: int) -> FirmwareMachine:
        """Return a restored machine; nothing in it depends on the seed."""
        del kind, seed
        return FirmwareMachine(self.stable.guest())

    def close(self) -> None:
        """End all machines."""
        if self._booted is not None:
            self._booted.close()
            self._booted = None
