"""
Calls between Python and a binary, both ways and nested to any depth, made from signatures.

A service is a stub that halts the processor; its pointer is what tables hold. What runs inside of a service, such as a
notification function, goes on the same stack below the caller's frame, as in firmware; so nothing is saved but what the
calling convention lets a callee clobber, which is nothing that the caller needs.

Spec: UEFI 2.10, 2.3.4.2 "Detailed Calling Conventions" (x64: RCX, RDX, R8, R9, then the stack above 32 bytes of home
space; RAX returns; the stack is aligned to 16).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Protocol, TypeAlias

from sevconf.subjects.binary.abi.memory import BadPointerError, Memory
from sevconf.subjects.binary.abi.signatures import Flow, Kind, Parameter, Signature
from sevconf.subjects.binary.cpu.processor import Permission, Processor, Stop
from sevconf.vocabulary import PAGE_SIZE, EfiStatus

#: Serves a signature: takes what goes in, returns the status (or value), or a tuple of it and what comes back.
Handler: TypeAlias = Callable[..., Any]

_HALT, _FILL = b"\xf4", b"\xcc"
#: Bytes from one stub to the next.
_STUB = 16
_STUB_PAGES = 2
_REGISTERS = ("rcx", "rdx", "r8", "r9")
_HOME = 32
#: Bytes left free between a frame and what is called inside of it.
_GAP = 64
#: The deepest nesting of calls: firmware whose notifications signal each other would use up its stack.
DEEPEST = 64
#: Times that one call may stop for a service or an instruction: whoever asks more often will not end.
MOST_STOPS = 1_000_000


class Watcher(Protocol):
    """Who must know whose code runs, and judges what goes wrong with it."""

    def acting_at(self, rip: int) -> AbstractContextManager[None]:
        """Let whoever owns the code at `rip` be who acts."""
        ...

    def answer(self, stop: Stop) -> int:
        """Do what an instruction asks of the platform; returns where to go on."""
        ...

    def broken(self, rip: int, how: str) -> NoReturn:
        """Fail because the code at `rip` did something wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Stub:
    """A service as a binary sees it: an address."""

    address: int
    signature: Signature
    handler: Handler


class Calls:
    """The layer between Python and the processor; `stack` is the processor's, in bytes."""

    def __init__(self, processor: Processor, memory: Memory, stack: range, watcher: Watcher) -> None:
        self._processor = processor
        self._memory = memory
        self._watcher = watcher
        self._stack = stack
        self._sp = stack.stop
        self._depth = 0
        self._stubs: dict[int, Stub] = {}
        self._next = memory.allocate(_STUB_PAGES * PAGE_SIZE, PAGE_SIZE)
        memory.write(self._next, (_HALT + _FILL * (_STUB - 1)) * (_STUB_PAGES * PAGE_SIZE // _STUB))
        for page in range(_STUB_PAGES):
            processor.permissions[self._next // PAGE_SIZE + page] = Permission.EXECUTE
        self._end = self._next + _STUB_PAGES * PAGE_SIZE
        self._return = self._new_address()

    def _new_address(self) -> int:
        address, self._next = self._next, self._next + _STUB
        if address >= self._end:
            raise MemoryError("the firmware's stubs are used up")
        return address

    # A binary calls Python

    def offer(self, signature: Signature, handler: Handler) -> int:
        """Return an address at which a binary finds that function."""
        stub = Stub(self._new_address(), signature, handler)
        self._stubs[stub.address] = stub
        return stub.address

    def wrap(self, service: str, around: Callable[[Handler], Handler]) -> None:
        """Put something around whatever serves a function of that name."""
        for address, stub in self._stubs.items():
            if stub.signature.name == service:
                self._stubs[address] = replace(stub, handler=around(stub.handler))

    def _serve(self, stub: Stub) -> int:
        """Do what a stub stands for; returns where the caller goes on."""
        sp = self._processor.read("rsp")
        caller = self._memory.number(sp)
        before, self._sp = self._sp, sp
        try:
            with self._watcher.acting_at(caller):
                result = self._handled(stub, sp, caller)
        finally:
            self._sp = before
        self._processor.write("rax", result)
        self._processor.write("rsp", sp + 8)
        return caller

    def _handled(self, stub: Stub, sp: int, caller: int) -> int:
        def argument(number: int) -> int:
            if number < len(_REGISTERS):
                return registers[number]
            return self._memory.number(sp + 8 + 8 * number)

        registers = [self._processor.read(name) for name in _REGISTERS]
        try:
            pointers, values = [], []
            for number, parameter in enumerate(stub.signature.parameters):
                raw: Any = argument
                if parameter.kind is not Kind.ARGUMENTS:
                    raw = argument(number)
                    if parameter.flow is not Flow.IN:
                        pointers.append((parameter, raw))
                        if raw == 0 and not parameter.optional:
                            return int(EfiStatus.INVALID_PARAMETER)
                    if parameter.flow is Flow.OUT:
                        continue
                values.append(self._taken(parameter, raw, number))
            answered = stub.handler(*values)
            result, *outputs = answered if isinstance(answered, tuple) else (answered,)
            for (parameter, pointer), value in zip(pointers, outputs or [None] * len(pointers), strict=True):
                if pointer and value is not None:
                    self._memory.put(pointer, int(value), parameter.kind.size)
        except BadPointerError as bad:
            self._watcher.broken(caller, f"passes {stub.signature.name} a pointer to {bad}, where nothing is mapped")
        return 0 if stub.signature.returns is Kind.VOID else int(result)

    def _taken(self, parameter: Parameter, raw: Any, number: int) -> Any:
        match parameter.kind:
            case Kind.ARGUMENTS:
                return lambda index: raw(number + index)
            case Kind.GUID:
                return self._memory.guid(raw) if raw else None
            case Kind.CHAR16:
                return self._memory.text(raw) if raw else ""
        size = parameter.kind.size
        if parameter.flow is Flow.INOUT:
            return self._memory.number(raw, size)
        value = raw & (1 << 8 * size) - 1
        return bool(value) if parameter.kind is Kind.BOOLEAN else value

    # Python calls a binary

    def call(self, address: int, signature: Signature, *values: int) -> tuple[int, ...]:
        """Call a function of a binary with what goes in, in order; returns what it returns, and what comes back."""
        given = iter(values)
        arguments: list[int] = []
        places: list[tuple[int, int]] = []
        with self._frame(8 * len(signature.parameters)) as room:
            for parameter in signature.parameters:
                if parameter.flow is Flow.IN:
                    arguments.append(next(given))
                    continue
                place = room + 8 * len(places)
                self._memory.put(place, next(given) if parameter.flow is Flow.INOUT else 0)
                places.append((place, parameter.kind.size))
                arguments.append(place)
            result = self.invoke(address, *arguments)
            return result, *(self._memory.number(place, size) for place, size in places)

    @contextmanager
    def _frame(self, size: int) -> Iterator[int]:
        """Lend room on the stack."""
        before = self._sp
        self._sp = (before - _GAP - size) // 16 * 16
        try:
            yield self._sp
        finally:
            self._sp = before

    def invoke(self, address: int, *arguments: int) -> int:
        """Call code at an address with plain numbers; returns RAX."""
        before = self._sp
        sp = (before - _GAP - _HOME - 8 * max(0, len(arguments) - len(_REGISTERS))) // 16 * 16 - 8
        self._depth += 1
        if self._depth > DEEPEST or sp < self._stack.start + PAGE_SIZE:
            self._watcher.broken(address, f"nests calls {self._depth} deep, and uses up the stack of the firmware")
        try:
            for name, value in zip(_REGISTERS, arguments, strict=False):
                self._processor.write(name, value)
            for number, value in enumerate(arguments[len(_REGISTERS) :]):
                self._memory.put(sp + 8 + _HOME + 8 * number, value)
            self._memory.put(sp, self._return)
            self._processor.write("rsp", sp)
            with self._watcher.acting_at(address):
                self._run(address)
            return self._processor.read("rax")
        finally:
            self._depth -= 1
            self._sp = before

    def _run(self, rip: int) -> None:
        """Run until the function returns."""
        for _ in range(MOST_STOPS):
            stop = self._processor.run(rip)
            if stop.fault:
                self._watcher.broken(stop.rip, stop.fault)
            elif stop.instruction:
                rip = self._watcher.answer(stop)
            elif stop.rip - 1 == self._return:
                return
            elif (stub := self._stubs.get(stop.rip - 1)) is not None:
                rip = self._serve(stub)
            else:
                rip = self._watcher.answer(Stop(stop.rip, "HLT"))
        self._watcher.broken(rip, f"asks for {MOST_STOPS} services in one call, without an end")
