"""
QEMU's monitor, as far as stimuli need it: commands one by one, events passed over.

Spec: QEMU `docs/interop/qmp-spec.txt`, `docs/interop/qemu-qmp-ref`.
"""

import json
from typing import Any

from sevconf.errors import TargetError, TimedOut
from sevconf.subjects.qemu.process import NAME, PATIENCE, Qemu

_GULP = 1 << 16


class Monitor:
    """One command, one answer; made with the capabilities negotiated."""

    def __init__(self, qemu: Qemu) -> None:
        self._qemu = qemu
        self._socket = qemu.monitor
        self._socket.settimeout(PATIENCE)
        self._pending = b""
        self._receive()
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """
        Run a command; returns its `return` member.

        Raises:
            TargetError: QEMU refuses it.
            LostContact: QEMU is gone.
            TimedOut: there is no answer.

        """
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        except OSError as error:
            raise self._qemu.lost(f"it went away at {command}") from error
        while True:
            said = self._receive()
            if "error" in said:
                raise TargetError(NAME, f"{command}: {said['error']['desc']}")
            if "return" in said:
                return said["return"]

    def human(self, line: str) -> str:
        """Run a command of the human monitor, which has some that QMP lacks; returns what it prints."""
        return str(self.execute("human-monitor-command", **{"command-line": line}))

    def _receive(self) -> dict[str, Any]:
        try:
            while b"\n" not in self._pending:
                piece = self._socket.recv(_GULP)
                if not piece:
                    raise ConnectionError
                self._pending += piece
        except TimeoutError as error:
            raise TimedOut(NAME, f"the monitor is silent for {PATIENCE:g} s") from error
        except OSError as error:
            raise self._qemu.lost("its monitor went away") from error
        line, _, self._pending = self._pending.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said
