"""
A conforming IOMMU driver of an SEV guest, as a vendor would write one.

Common buffers are opened in place, by way of a private stash; Read and Write go through bounce pages. At
ExitBootServices a second event ends what is left, behind the handlers of all drivers.

Run it with `sevconf run --target examples/right_iommu_driver.py:RightIommuDriver`.

Breaks: nothing
"""

from collections import Counter
from dataclasses import dataclass

from sevconf.contract import BootServices, EventHandle, GuestMemory, Mapped, MappingToken, MemEncrypt
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    AllocateType,
    CBit,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    Tpl,
    pages_for,
)

REFUSED = Mapped(EfiStatus.INVALID_PARAMETER, 0, 0, MappingToken(0))
#: Behind the teardown nobody would end a mapping any more.
TOO_LATE = Mapped(EfiStatus.OUT_OF_RESOURCES, 0, 0, MappingToken(0))


@dataclass(frozen=True)
class Buffer:
    """A common buffer, and where its pages are kept while their C-bit changes."""

    host: Gva
    pages: int
    stash: Gva


@dataclass(frozen=True)
class Live:
    """A live mapping: the caller's memory, and the pages that are open for it."""

    operation: DmaOperation
    host: Gva
    length: int
    opened: Gva
    pages: int


class RightIommuDriver:
    """Opens what is mapped, and nothing else, for as long as it is mapped."""

    role = "iommu-driver"
    #: Level of the ExitBootServices handler.
    handler_tpl = Tpl.CALLBACK

    def __init__(self, boot_services: BootServices, memory: GuestMemory, mem_encrypt: MemEncrypt) -> None:
        self.boot_services = boot_services
        self.memory = memory
        self.mem_encrypt = mem_encrypt
        self.buffers: dict[Gva, Buffer] = {}
        self.live: dict[MappingToken, Live] = {}
        #: How many live mappings keep each page of a common buffer open.
        self.users: Counter[Gva] = Counter()
        self.made = 0
        self.exiting = False
        self.teardown_event = EventHandle(0)

    def start(self) -> EfiStatus:
        """Make the second event, and register for ExitBootServices."""
        status, self.teardown_event = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.tear_down)
        if status.is_error:
            return status
        status, _ = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, self.handler_tpl, self.on_exit_boot_services
        )
        return status

    def on_exit_boot_services(self) -> None:
        """Leave the work to the second event: other drivers have yet to halt their devices."""
        self.boot_services.signal_event(self.teardown_event)

    def tear_down(self) -> None:
        """End every mapping; the memory map must stay as it is."""
        self.exiting = True
        for token in tuple(self.live):
            self.unmap(token)

    # Common buffers

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """Return clean pages, and keep as many for the stash."""
        if pages < 1:
            return EfiStatus.INVALID_PARAMETER, Gva(0)
        status, first = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, memory_type, 2 * pages)
        if status.is_error:
            return status, Gva(0)
        self.memory.write(first, bytes(2 * pages * PAGE_SIZE))
        self.buffers[first] = Buffer(first, pages, Gva(first + pages * PAGE_SIZE))
        return EfiStatus.SUCCESS, first

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """Take a buffer back that is not mapped."""
        buffer = self.buffers.get(host_address)
        if buffer is None or buffer.pages != pages or any(self.users[page] for page in self.pages_of(buffer)):
            return EfiStatus.INVALID_PARAMETER
        del self.buffers[host_address]
        return self.boot_services.free_pages(host_address, 2 * pages)

    def pages_of(self, buffer: Buffer) -> list[Gva]:
        """Return the pages that the client has."""
        return [Gva(buffer.host + index * PAGE_SIZE) for index in range(buffer.pages)]

    def buffer_around(self, host: Gva, length: int) -> Buffer | None:
        """Find the buffer that holds a range."""
        for buffer in self.buffers.values():
            if buffer.host <= host and host + length <= buffer.host + buffer.pages * PAGE_SIZE:
                return buffer
        return None

    def turn(self, buffer: Buffer, page: Gva, cbit: CBit) -> None:
        """Change a page's C-bit and rewrite the page through it, by way of the stash, which stays private."""
        stash = Gva(buffer.stash + page - buffer.host)
        self.memory.write(stash, self.memory.read(page, PAGE_SIZE))
        self.mem_encrypt.set_cbit(page, 1, cbit)
        self.memory.write(page, self.memory.read(stash, PAGE_SIZE))

    # Map and Unmap

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Open a common buffer in place, or a bounce."""
        if length < 1 or not host_address:
            return REFUSED
        if self.exiting:
            return TOO_LATE
        if operation is DmaOperation.COMMON_BUFFER:
            return self.map_common(host_address, length)
        pages = pages_for(length)
        status, bounce = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages)
        if status.is_error:
            return Mapped(status, 0, 0, MappingToken(0))
        self.mem_encrypt.set_cbit(bounce, pages, CBit.CLEAR)
        data = self.memory.read(host_address, length) if operation is DmaOperation.READ else b""
        self.memory.write(bounce, data.ljust(pages * PAGE_SIZE, b"\0"))
        return self.keep(Live(operation, host_address, length, bounce, pages), bounce)

    def map_common(self, host: Gva, length: int) -> Mapped:
        """Open the pages that no other mapping has opened."""
        buffer = self.buffer_around(host, length)
        if buffer is None:
            return REFUSED
        first = Gva(host // PAGE_SIZE * PAGE_SIZE)
        live = Live(DmaOperation.COMMON_BUFFER, host, length, first, pages_for(host + length - first))
        for page in self.opened_by(live):
            if not self.users[page]:
                self.turn(buffer, page, CBit.CLEAR)
            self.users[page] += 1
        return self.keep(live, host)

    def opened_by(self, live: Live) -> list[Gva]:
        """Return the pages that a mapping keeps open."""
        return [Gva(live.opened + index * PAGE_SIZE) for index in range(live.pages)]

    def keep(self, live: Live, device_address: int) -> Mapped:
        """Give a mapping its token."""
        self.made += 1
        token = MappingToken(self.made)
        self.live[token] = live
        return Mapped(EfiStatus.SUCCESS, live.length, int(device_address), token)

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Deliver what the bus master wrote, and make private and clean what was open."""
        live = self.live.pop(mapping, None)
        if live is None:
            return EfiStatus.INVALID_PARAMETER
        buffer = self.buffer_around(live.host, live.length)
        if live.operation is DmaOperation.COMMON_BUFFER and buffer is not None:
            for page in self.opened_by(live):
                self.users[page] -= 1
                if not self.users[page]:
                    self.turn(buffer, page, CBit.SET)
            return EfiStatus.SUCCESS
        if live.operation is DmaOperation.WRITE:
            self.memory.write(live.host, self.memory.read(live.opened, live.length))
        self.mem_encrypt.set_cbit(live.opened, live.pages, CBit.SET)
        self.memory.write(live.opened, bytes(live.pages * PAGE_SIZE))
        if not self.exiting:
            self.boot_services.free_pages(live.opened, live.pages)
        return EfiStatus.SUCCESS
