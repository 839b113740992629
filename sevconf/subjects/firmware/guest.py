"""
Guests: a machine whose firmware has started the agent, which waits at its prompt.

The firmware boots once. Its RAM is a file, and the state of its devices another one; every scenario gets a new process
of QEMU that takes the devices from there and maps the RAM copy-on-write. So scenarios share nothing, and none pays for
a boot. The next process is started ahead, stopped, while the present one works.
"""

import os
import shutil
import socket
import struct
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from sevconf.errors import CannotStart, ForeignFailure, LostContact
from sevconf.subjects.firmware.boards import DISKS, Board
from sevconf.subjects.firmware.build import agent
from sevconf.subjects.firmware.media import Layout, disk
from sevconf.subjects.firmware.qemu import Qemu
from sevconf.subjects.firmware.wire import BadFrame, Command, Record, Told, missing, take, told
from sevconf.subjects.firmware.wire import command as wired
from sevconf.subjects.python.limits import Limits

#: Seconds between two looks at a machine that keeps silent.
_LOOK = 0.5
#: RAM that lies in a shared file is no part of the saved state.
_KEEP_RAM = [{"capability": "x-ignore-shared", "state": True}]
#: How folders of guests are called; the process that made one follows.
_MARK = "sevconf-guests-"
#: Who is to blame for what the machine does while the core has it.
CULPRIT = "core"


def wall_limit() -> float:
    """Return the seconds that one request may take: SEVCONF_WALL_LIMIT, or 10, as for other foreign code."""
    return Limits().wall


class Guest:
    """One machine at the agent's prompt; `act` asks for one act and yields what the agent tells of it."""

    def __init__(self, qemu: Qemu) -> None:
        self._qemu = qemu
        look = struct.pack("ll", int(_LOOK), int(_LOOK % 1 * 1_000_000))
        qemu.agent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, look)
        self._buffer = bytearray()
        self._told: deque[Told] = deque()
        self._stamp: int | None = None

    def act(self, command: Command, script: tuple[Command, ...] = (), *, extra: float = 0) -> Iterator[Told]:
        """
        Let the agent perform an act that should take no longer than the wall limit and `extra` seconds.

        Raises:
            ForeignFailure: the core hung, reset or crashed the machine.
            LostContact: the contact was lost otherwise.

        """
        asked = f"perform {command.service.name}"
        try:
            self._qemu.agent.sendall(wired(command, *script))
        except OSError as error:
            raise self._qemu.lost(f"hung up on the agent ({error})") from error
        while True:
            record = self.hear(asked, wall_limit() + extra)
            if record.kind is Record.REFUSED:
                raise LostContact("firmware", f"the agent refused the command {command}")
            if record.kind is Record.DONE:
                return
            yield record

    def hear(self, asked: str, limit: float) -> Told:
        """Wait for the next record."""
        deadline = time.monotonic() + limit
        while not self._told:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._failed(asked, f"does not come back within {limit:g} s")
            if self._read():
                continue
            if self._qemu.alive and self._qemu.status() not in {"running", "inmigrate", "paused"}:
                raise self._failed(asked, "resets or crashes the machine")
            if not self._qemu.alive:
                raise self._qemu.lost("died")
        return self._told.popleft()

    def _read(self) -> bool:
        """Wait a while for the rest of the next frame; tell whether anything came."""
        try:
            data = self._qemu.agent.recv(missing(self._buffer), socket.MSG_WAITALL)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._qemu.lost(f"hung up on the agent ({error})") from error
        if not data:
            raise self._qemu.lost("closed the agent's line")
        self._buffer += data
        try:
            while (payload := take(self._buffer)) is not None:
                self._told.append(self._next(told(payload)))
        except BadFrame as error:
            raise LostContact("firmware", f"the agent's line is garbled: {error}") from error
        return True

    def _next(self, record: Told) -> Told:
        if self._stamp is not None and record.stamp != self._stamp + 1:
            raise BadFrame(f"expected record {self._stamp + 1}, not {record.stamp}")
        self._stamp = record.stamp
        return record

    def _failed(self, asked: str, how: str) -> ForeignFailure:
        log = self._qemu.log()
        return ForeignFailure(CULPRIT, asked, f"{how}; the last lines of its log:\n{log}" if log else f"{how}; no log")

    def close(self) -> None:
        """End it."""
        self._qemu.close()
        shutil.rmtree(self._qemu.place, ignore_errors=True)


def arguments(board: Board, image: Path, place: Path, ram: str, *, share: bool) -> list[str]:
    """Return what QEMU is told of a board with a boot disk; `place` is its folder, `ram` the file of its memory."""
    memory = f"memory-backend-file,id=ram,size={board.memory}M,mem-path={ram},share={'on' if share else 'off'}"
    command = ["-machine", "q35,accel=tcg,smm=off,memory-backend=ram", "-m", str(board.memory), "-object", memory]
    if board.vars is None:
        command += ["-bios", str(board.image)]
    else:
        shutil.copyfile(board.vars, place / "vars")
        command += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={board.image}"]
        command += ["-drive", "if=pflash,unit=1,format=raw,file=vars"]
    # An IDE disk cannot be read-only; what is written to it goes to a file that nobody keeps.
    guard = "readonly=on" if DISKS[board.disk] is Layout.BARE else "snapshot=on"
    command += ["-drive", f"if=none,id=boot,format=raw,{guard},file={image}"]
    device = "virtio-blk-pci" if board.disk == "virtio-blk" else "ide-hd,bus=ide.0"
    command += ["-device", f"{device},drive=boot,bootindex=0"]
    return command


def sweep() -> None:
    """Remove what processes left behind that were killed and could not."""
    for left in Path(tempfile.gettempdir()).glob(f"{_MARK}*"):
        pid = left.name.removeprefix(_MARK).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)


class Stable:
    """Where guests of one board come from; `vendor` and `revision` are what its system table states."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._image = disk(agent(), DISKS[board.disk])
        sweep()
        self._place = Path(tempfile.mkdtemp(prefix=f"{_MARK}{os.getpid()}-"))
        self._spare: Qemu | None = None
        self._ran = 0
        try:
            self.revision, self.vendor = self._boot()
        except BaseException:
            shutil.rmtree(self._place, ignore_errors=True)
            raise

    @property
    def processes(self) -> tuple[int, ...]:
        """The process started ahead, if there is one."""
        return () if self._spare is None else (self._spare.pid,)

    def guest(self) -> Guest:
        """Return a machine at the agent's prompt, as it was when the firmware had booted."""
        qemu, self._spare = self._spare or self._restored(), None
        try:
            qemu.ask("migrate-set-capabilities", capabilities=_KEEP_RAM)
            with (self._place / "state").open("rb") as state:
                qemu.hand_over("state", state.fileno())
                qemu.ask("migrate-incoming", uri="fd:state")
            while qemu.status() == "inmigrate":
                time.sleep(0.002)
            qemu.ask("cont")
            self._spare = self._restored()
        except BaseException:
            qemu.close()
            raise
        return Guest(qemu)

    def close(self) -> None:
        """End what was started ahead, and remove what was kept."""
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        shutil.rmtree(self._place, ignore_errors=True)

    # Processes

    def _folder(self) -> Path:
        self._ran += 1
        place = self._place / str(self._ran)
        place.mkdir()
        return place

    def _arguments(self, place: Path, *, share: bool) -> list[str]:
        return arguments(self._board, self._image, place, f"{self._place}/ram", share=share)

    def _boot(self) -> tuple[int, str]:
        place = self._folder()
        with Qemu(self._board.qemu, self._arguments(place, share=True), place) as qemu:
            qemu.connect()
            hello = Guest(qemu).hear("boot, and start the agent", self._board.boot)
            if hello.kind is not Record.HELLO:
                raise CannotStart(self._board.name, f"expected the agent's greeting, not {hello.kind.name}")
            qemu.ask("stop")
            qemu.ask("migrate-set-capabilities", capabilities=_KEEP_RAM)
            with (self._place / "state").open("wb") as state:
                qemu.hand_over("state", state.fileno())
                qemu.ask("migrate", uri="fd:state")
                deadline = time.monotonic() + self._board.boot
                while (status := qemu.ask("query-migrate").get("status")) != "completed":
                    if status in {"failed", "cancelled"} or time.monotonic() > deadline:
                        raise CannotStart(self._board.name, f"its state cannot be saved: {status}")
                    time.sleep(0.01)
        return hello.values[0], hello.rest.decode("ascii", "replace")

    def _restored(self) -> Qemu:
        place = self._folder()
        return Qemu(self._board.qemu, [*self._arguments(place, share=False), "-incoming", "defer"], place)
