"""
What the teardown of the SEV IOMMU driver costs: ExitBootServices with 100 to 100,000 live mappings.

Two kinds of mapping: common buffers of 64 bytes, 64 to a page, of which the last of each page has it rewritten; and
BusMasterRead mappings, each with a bounce page of its own that is closed and cleaned. The machine is put together from
the model's parts, with RAM for all of them. Timed is the call of ExitBootServices, by the wall; mapping is not. A slope
of 1 in the log-log sense is linear: ten times the mappings take ten times the time.
"""

import itertools
import math
import time
from collections.abc import Sequence

from tabulate import tabulate

from sevconf.model.boot_services import Core
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.event import Events
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import MappingLedger
from sevconf.model.iommu.sev import SevIommu
from sevconf.model.memory_map import MemoryMap
from sevconf.model.mmu import Mmu
from sevconf.model.page_table import PageTables
from sevconf.model.pool import Pool
from sevconf.model.recorder import Recorder
from sevconf.trace import MappingEnded, Trace
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, EfiStatus, Gpa, Gva, MachineKind, MemoryType, pages_for

MIB = 1 << 20
COUNTS = (100, 1_000, 10_000, 100_000)
#: Bytes of one common-buffer mapping.
SLICE = 64
#: Bytes at the bottom for page tables.
FIRMWARE = 4 * MIB
KIND = MachineKind.SEV


def machine(ram_size: int) -> tuple[Recorder, Core, SevIommu]:
    """Put a core and its IOMMU driver together on that much RAM."""
    recorder = Recorder(Trace())
    ram = EncryptedRam(ram_size, b"a key for a test")
    tables = itertools.count(PAGE_SIZE, PAGE_SIZE)
    page_tables = PageTables(ram, lambda: Gpa(next(tables)))
    page_tables.map_identity(ram_size, CBit.SET)
    memory_map = MemoryMap(recorder, ram_size, FIRMWARE)
    core = Core(recorder, Events(recorder), memory_map, Pool(memory_map), lambda _: None)
    iommu = SevIommu(core, Guest(recorder, Mmu(ram, page_tables)), MappingLedger(recorder))
    iommu.start()
    return recorder, core, iommu


def common_buffers(iommu: SevIommu, count: int) -> None:
    """Map slices of one buffer."""
    _, host = iommu.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, pages_for(count * SLICE))
    for at in range(0, count * SLICE, SLICE):
        _map(iommu, DmaOperation.COMMON_BUFFER, Gva(host + at), SLICE)


def bounces(iommu: SevIommu, count: int) -> None:
    """Map one page of data as often as asked for."""
    _, host = iommu.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
    for _ in range(count):
        _map(iommu, DmaOperation.READ, host, PAGE_SIZE)


def _map(iommu: SevIommu, operation: DmaOperation, host: Gva, length: int) -> None:
    mapped = iommu.map(operation, host, length)
    if mapped.status is not EfiStatus.SUCCESS:
        raise MemoryError(f"expected a mapping, not {mapped.status}")
    with iommu.ledger.asked_by("scenario", "device:probe"):
        iommu.ledger.made(mapped, operation, host)


def seconds(kind: str, count: int) -> float:
    """Map, then time ExitBootServices."""
    recorder, core, iommu = machine(2 * FIRMWARE + count * (PAGE_SIZE + 256) // (2 * MIB) * 2 * MIB + 16 * MIB)
    {"BusMasterCommonBuffer": common_buffers, "BusMasterRead": bounces}[kind](iommu, count)
    recorder.trace = Trace()
    key = core.map.key
    start = time.perf_counter()
    core.exit_boot_services(key)
    taken = time.perf_counter() - start
    ended = sum(1 for _ in recorder.trace.of(MappingEnded))
    if ended != count:
        raise ValueError(f"expected {count} mappings to end, not {ended}")
    return taken


def slope(points: Sequence[tuple[int, float]]) -> float:
    """Return the slope of the line of least squares through the logarithms."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    top = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return top / sum((x - x_mean) ** 2 for x in xs)


def main() -> None:
    """Print milliseconds, microseconds a mapping, and the slope."""
    for kind in ("BusMasterCommonBuffer", "BusMasterRead"):
        points = [(count, seconds(kind, count)) for count in COUNTS]
        rows = [[f"{count:,}", f"{1e3 * taken:.1f}", f"{1e6 * taken / count:.1f}"] for count, taken in points]
        rows.append(["log-log slope", f"{slope(points):.2f}", ""])
        headers = [kind, "ms", "us / mapping"]
        print(tabulate(rows, headers=headers, disable_numparse=True, colalign=("left", "right", "right")))
        print()


if __name__ == "__main__":
    main()
