"""
Which mappings of a foreign IOMMU driver are live: by its word, and by the pages that it makes private unasked.

A foreign driver has no ledger. What it ends because Unmap asks it to ends when it says so; a teardown of its own shows
by the C-bits that it sets on what a device reaches.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.iommu.base import MappingLedger
from sevconf.vocabulary import PAGE_SIZE


class ForeignMappings:
    """The live mappings of one driver; addresses and lengths in bytes."""

    def __init__(self, ledger: MappingLedger) -> None:
        self._ledger = ledger
        self._live: dict[MappingToken, tuple[int, int]] = {}
        self._serving = 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Let the driver serve a call: what it closes meanwhile, it was asked to close."""
        self._serving += 1
        try:
            yield
        finally:
            self._serving -= 1

    def made(self, mapped: Mapped) -> None:
        """Take note of a mapping."""
        if not mapped.status.is_error:
            self._live[mapped.mapping] = (mapped.device_address, mapped.length)

    def unmapped(self, token: MappingToken) -> None:
        """Take note of an Unmap that succeeded."""
        self._live.pop(token, None)
        self._ledger.ended(token)

    def closed(self, address: int, pages: int) -> None:
        """Hear that the driver made pages private: unasked, that ends the mappings that reach them."""
        if self._serving:
            return
        end = address + pages * PAGE_SIZE
        for token, (device, length) in list(self._live.items()):
            if device < end and address < device + length:
                self.unmapped(token)
