"""
The faults that can be put into a binary from outside, as a table that needs none of the libraries for binaries.

Each is an IOMMU driver with one bug that its maker never built. `drivers` says how. Exactly these rules newly fail, by
the difference from the driver as it is, if that one defers its teardown, bounces Read and Write, and opens common
buffers in place; of a driver that fails some of them anyhow, the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sevconf.errors import UsageError
from sevconf.subjects.near import near
from sevconf.vocabulary import Party


@dataclass(frozen=True, slots=True)
class Injection:
    """
    One fault: its name, what the driver does then, the rules that newly fail (none: a control), and whose it is.

    `reveals` are rules that Debian's driver breaks as it is, on rows that only a handler at another level can show.
    """

    name: str
    bug: str
    catches: tuple[str, ...]
    reveals: tuple[str, ...] = ()
    party: Party = Party.IOMMU_DRIVER


_EVERY = (
    Injection(
        "no-exit-handler",
        "Its event of the ExitBootServices group is made, and belongs to no group.",
        ("DRV-24", "EBS-07", "EBS-08", "EBS-25"),
    ),
    Injection(
        "runs-deferred-at-once",
        "What it defers by signaling an event of its own is done at once, before other handlers had their turn.",
        ("EBS-10",),
    ),
    Injection(
        "defers-at-notify",
        "Its private events are at TPL_NOTIFY, where they overtake handlers at TPL_CALLBACK.",
        ("EBS-10",),
    ),
    Injection(
        "all-at-notify",
        "All its events are at TPL_NOTIFY, so that it tears down before handlers at TPL_CALLBACK run.",
        ("EBS-06", "EBS-09"),
        reveals=("EBS-14",),
    ),
    Injection(
        "allocates-at-exit",
        "Allocates from pool in its exit handler and in what that defers.",
        ("MEM-04",),
    ),
    Injection(
        "frees-at-exit",
        "Releases pool in its exit handler and in what that defers.",
        ("MEM-04",),
    ),
    Injection(
        "leaves-shared-at-exit",
        "At exit no page becomes private again.",
        ("DRV-24", "EBS-07", "EBS-08", "EBS-25"),
    ),
    Injection(
        "forgets-reads-at-exit",
        "At exit the pages of BusMasterRead mappings stay as they are.",
        ("EBS-07", "EBS-25"),
    ),
    Injection(
        "leaves-bytes-at-exit",
        "What its teardown makes private again is not rewritten: DRAM keeps the plaintext.",
        ("DRV-24", "EBS-08"),
    ),
    Injection(
        "exit-handler-at-notify",
        "Control, no fault: its exit handler is at TPL_NOTIFY, and what it defers is at TPL_CALLBACK still.",
        (),
        reveals=("EBS-14",),
    ),
    Injection(
        "does-not-decrypt",
        "Map leaves the C-bit of what it hands to a device: writes to page tables that clear it are lost.",
        ("DMA-02", "DMA-14", "DMA-19", "EBS-07"),
    ),
    Injection(
        "opens-neighbour",
        "Map also opens the page in front of a bounce, for as long as the mapping lives.",
        ("DMA-03", "DMA-14"),
    ),
    Injection(
        "skips-read",
        "Map for BusMasterRead does not copy the caller's bytes to the bounce.",
        ("DMA-02", "DMA-14"),
    ),
    Injection(
        "copies-whole-pages",
        "Map for BusMasterRead copies to the end of the page, and so shows the host what lies behind the mapped bytes.",
        ("DMA-16",),
    ),
    Injection(
        "one-bounce-for-two",
        "Map for BusMasterWrite hands out the bounce of a mapping that is live already.",
        ("DMA-13", "DMA-14"),
    ),
    Injection(
        "refuses-write",
        "Map for BusMasterWrite is refused for want of resources.",
        ("DMA-10", "DMA-11", "DMA-14", "MEM-08"),
    ),
    Injection(
        "allocates-at-high-level",
        "Allocates from pool at TPL_HIGH_LEVEL.",
        ("EVT-08",),
    ),
    Injection(
        "forgets-last-page",
        "Of several pages the last one stays shared when they are made private.",
        ("DMA-01", "DMA-03", "DMA-17", "DMA-30", "DMA-31", "EBS-08", "EBS-25"),
    ),
    Injection(
        "unmap-does-nothing",
        "Unmap of a BusMasterRead mapping says that it has ended, and does nothing.",
        ("DMA-01", "DMA-03", "TM-02"),
    ),
    Injection(
        "bounce-not-zeroed",
        "Unmap does not rewrite the bounce: DRAM keeps its plaintext.",
        ("DMA-01", "DRV-24", "EBS-08", "EBS-30", "TM-02"),
    ),
    Injection(
        "loses-write-data",
        "Unmap of a BusMasterWrite mapping does not bring the device's bytes to the caller.",
        ("DMA-02", "DMA-14"),
    ),
    Injection(
        "overruns-caller",
        "Unmap of a BusMasterWrite mapping copies to the end of the page, over what lies behind the caller's buffer.",
        ("DMA-14", "DMA-16"),
    ),
    Injection(
        "frees-before-sealing",
        "Pages of a bounce are given back while they are shared, and made private afterwards.",
        ("DMA-17",),
    ),
)

#: Every fault that can be injected, by name.
INJECTIONS: Mapping[str, Injection] = {injection.name: injection for injection in _EVERY}


def check(name: str) -> None:
    """
    Do nothing if there is such a fault, or if `name` is empty.

    Raises:
        UsageError: there is none.

    """
    if name and name not in INJECTIONS:
        hint = near(name, INJECTIONS) or "`sevconf list faults` shows them"
        raise UsageError(f"there is no fault {name!r} to inject", hint=hint)
