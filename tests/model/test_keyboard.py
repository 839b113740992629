"""The keyboard is the device that its contract describes."""

from collections import deque

import pytest

from sevconf.contract.keyboard import DESCRIPTOR_SIZE, REGISTER_WIDTH, Descriptor, KeyboardRegister, Owner
from sevconf.model.devices.keyboard import MAX_ENTRIES, Keyboard
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import Dma
from sevconf.vocabulary import Command, ConfigRegister, Gpa, MachineKind

SCHEDULE, REPORTS = 0x200000, 0x201000
KEY = bytes([0x02, 0, 0x04, 0, 0, 0, 0, 0])


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return a machine without encryption."""
    return ReferenceMachine(MachineKind.NONE, 1)


@pytest.fixture
def keyboard(machine: ReferenceMachine) -> Keyboard:
    """Return a keyboard that runs a schedule of two transfers."""
    for slot in range(2):
        descriptor = Descriptor(Owner.KEYBOARD, 8, REPORTS + 8 * slot)
        machine.host.write(Gpa(SCHEDULE + slot * DESCRIPTOR_SIZE), descriptor.pack())
    write(machine.keyboard, KeyboardRegister.SCHEDULE_BASE, SCHEDULE)
    write(machine.keyboard, KeyboardRegister.SCHEDULE_ENTRIES, 2)
    write(machine.keyboard, KeyboardRegister.CONTROL, 1)
    assert machine.keyboard.config_write(ConfigRegister.COMMAND, 2, Command.BUS_MASTER)
    return machine.keyboard


def write(keyboard: Keyboard, register: KeyboardRegister, value: int) -> None:
    """Write a register."""
    assert keyboard.register_write(register, REGISTER_WIDTH[register], value)


def read(keyboard: Keyboard, register: KeyboardRegister) -> int | None:
    """Read a register."""
    return keyboard.register_read(register, REGISTER_WIDTH[register])


def owner(machine: ReferenceMachine, slot: int) -> int:
    """Return who owns a descriptor."""
    return machine.host.read(Gpa(SCHEDULE + slot * DESCRIPTOR_SIZE), 1)[0]


def test_registers(keyboard: Keyboard) -> None:
    """Registers answer at their offset and width, and are settled while the keyboard runs."""
    write(keyboard, KeyboardRegister.SCHEDULE_BASE, 7)
    write(keyboard, KeyboardRegister.SCHEDULE_ENTRIES, 7)
    write(keyboard, KeyboardRegister.STATUS, 0)
    assert [read(keyboard, register) for register in KeyboardRegister] == [1, 1, SCHEDULE, 2]
    write(keyboard, KeyboardRegister.CONTROL, 0)
    write(keyboard, KeyboardRegister.SCHEDULE_ENTRIES, 1 << 20)
    assert [read(keyboard, register) for register in KeyboardRegister] == [0, 0, SCHEDULE, MAX_ENTRIES]
    assert keyboard.register_read(0x40, 4) is None
    assert keyboard.register_read(KeyboardRegister.STATUS, 2) is None
    assert not keyboard.register_write(0x40, 4, 0)


def test_idle_keyboard_polls(machine: ReferenceMachine, keyboard: Keyboard) -> None:
    """Without a key it reads the schedule, and writes nothing."""
    before = len(machine.trace)
    keyboard.step()
    assert [(e.address, e.write) for e in machine.trace.of(Dma, since=before)] == [(SCHEDULE, False)]


def test_keys_come_in_order(machine: ReferenceMachine, keyboard: Keyboard) -> None:
    """A key takes two steps; the third of three finds no transfer until one is given."""
    keyboard.press(KEY + bytes(8) + KEY)
    keyboard.step()
    assert machine.host.read(Gpa(REPORTS), 8) == KEY
    assert owner(machine, 0) == Owner.KEYBOARD
    for _ in range(9):
        keyboard.step()
    assert [owner(machine, slot) for slot in range(2)] == [Owner.DRIVER] * 2
    assert keyboard.pressed == deque([KEY])
    keyboard.forget()
    assert not keyboard.pressed


def test_halted_keyboard_is_silent(machine: ReferenceMachine, keyboard: Keyboard) -> None:
    """A halt drops what was begun, and a keyboard that is started again begins with the first transfer."""
    keyboard.press(KEY)
    keyboard.step()
    write(keyboard, KeyboardRegister.CONTROL, 0)
    before = len(machine.trace)
    keyboard.press(KEY)
    keyboard.step()
    assert not list(machine.trace.of(Dma, since=before))
    write(keyboard, KeyboardRegister.CONTROL, 1)
    keyboard.step()
    assert next(machine.trace.of(Dma, since=before)).address in {SCHEDULE, SCHEDULE + DESCRIPTOR_SIZE}
