"""
The protocol by which tests drive a QEMU from outside: memory, registers and ports, one line each way.

Spec: QEMU `docs/devel/qtest.rst`, `softmmu/qtest.c`.
"""

from sevconf.errors import TimedOut
from sevconf.subjects.qemu.process import NAME, PATIENCE, Qemu

#: Letter of an access by its width in bytes.
_LETTER = {1: "b", 2: "w", 4: "l", 8: "q"}
#: Bytes taken from the socket at once.
_GULP = 1 << 16


class QTest:
    """One command, one answer; interrupts that QEMU tells between are passed over."""

    def __init__(self, qemu: Qemu) -> None:
        self._qemu = qemu
        self._socket = qemu.qtest
        self._socket.settimeout(PATIENCE)
        self._pending = b""

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes (1, 2, 4 or 8) of physical address space, as the processor would."""
        return int(self._ask(f"read{_LETTER[width]} {address:#x}")[1], 16)

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        self._ask(f"write{_LETTER[width]} {address:#x} {value:#x}")

    def port_in(self, port: int, width: int) -> int:
        """Read an I/O port of 1, 2 or 4 bytes."""
        return int(self._ask(f"in{_LETTER[width]} {port:#x}")[1], 16)

    def port_out(self, port: int, width: int, value: int) -> None:
        """Write an I/O port."""
        self._ask(f"out{_LETTER[width]} {port:#x} {value:#x}")

    def _ask(self, command: str) -> list[str]:
        """
        Send a command; returns the words of its answer.

        Raises:
            LostContact: QEMU is gone, or refuses it.
            TimedOut: there is no answer.

        """
        try:
            self._socket.sendall(f"{command}\n".encode())
            while (words := self._line().split())[0] == "IRQ":
                pass
        except TimeoutError as error:
            raise TimedOut(NAME, f"no answer to {command!r} within {PATIENCE:g} s") from error
        except OSError as error:
            raise self._qemu.lost(f"it went away at {command!r}") from error
        if words[0] != "OK":
            raise self._qemu.lost(f"it answers {' '.join(words)!r} to {command!r}")
        return words

    def _line(self) -> str:
        while b"\n" not in self._pending:
            piece = self._socket.recv(_GULP)
            if not piece:
                raise ConnectionError
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()
