"""The host finds secrets in the form in which they lie."""

from sevconf.contract import Form, Secret
from sevconf.model.hypervisor import find
from sevconf.model.machine import ReferenceMachine
from sevconf.vocabulary import Gpa, MachineKind


def test_keystrokes_are_reports() -> None:
    """Each keystroke is one boot report: a key Shift held down, and one letter or digit."""
    secret = ReferenceMachine(MachineKind.NONE, 1).host.keystrokes("typed", 50)
    assert (secret.form, len(secret.data)) == (Form.REPORTS, 400)
    for start in range(0, 400, 8):
        modifiers, zero, key, *rest = secret.data[start : start + 8]
        assert modifiers & 0x22
        assert 0x04 <= key <= 0x27
        assert not any((zero, *rest))


def test_lone_keystroke_is_found() -> None:
    """One report of a typed secret is found wherever it lies, a run of them in one piece; 32 bytes are not needed."""
    reports = [bytes([0x02, 0, key, 0, 0, 0, 0, 0]) for key in (4, 9, 30)]
    secret = Secret("typed", b"".join(reports), Form.REPORTS)
    runs = [(Gpa(0x1000), bytes(100) + reports[1] + bytes(9) + reports[0] + reports[1])]
    found = find(secret, runs)
    assert [(f.offset, f.gpa, f.length) for f in found] == [(8, 0x1000 + 100, 8), (0, 0x1000 + 117, 16)]
    assert not find(Secret("typed", secret.data), runs)


def test_repeated_key_is_one_unit() -> None:
    """A key that was typed twice is found once at each place."""
    report = bytes([0x20, 0, 5, 0, 0, 0, 0, 0])
    found = find(Secret("typed", report * 2, Form.REPORTS), [(Gpa(0), bytes(3) + report)])
    assert [(f.offset, f.gpa, f.length) for f in found] == [(0, 3, 8)]
