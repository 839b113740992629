"""Leaks told as proofs: who wrote the byte last, and which mapping it went through."""

import pytest

from sevconf.monitors import explain, last_write, leaks, shown_in_plaintext
from sevconf.trace import Dumped, Finding, GuestAccess, Phase
from sevconf.vocabulary import CBit, DmaOperation, Gpa, Gva
from tests.monitors.story import Story


def _write(story: Story, gpa: int, length: int = 64, *, write: bool = True) -> int:
    entry = story.record(
        GuestAccess, by="scenario", gva=Gva(gpa), gpa=Gpa(gpa), length=length, write=write, cbit=CBit.CLEAR
    )
    return entry.step


def _dump(story: Story, *findings: Finding, attacker: bool = True) -> Dumped:
    return story.record(Dumped, by="host", attacker=attacker, pages=1, sha256="", findings=findings)


FOUND = Finding("S", 0, Gpa(0x8010), 64)


# Who wrote last


def test_the_newest_write_of_a_byte_counts() -> None:
    """Guest and devices write alike; the newest entry that covers the byte is its writer."""
    story = Story()
    guest = _write(story, 0x8000)
    device = story.dma(0x8010, 1, write=True)
    story.dma(0x8010, 16)
    _write(story, 0x8010, write=False)
    _write(story, 0x9000)
    writers = [last_write(story.trace, gpa, before=story.step + 1) for gpa in (0x8000, 0x803F, 0x8010)]
    assert [entry.step for entry in writers if entry] == [guest, guest, device]
    assert last_write(story.trace, 0x8040, before=story.step + 1) is None
    assert last_write(story.trace, 0x7FFF, before=story.step + 1) is None


def test_only_what_came_before_counts() -> None:
    """A write at or behind the step in question is not the one."""
    story = Story()
    first, second = _write(story, 0x8000), _write(story, 0x8000)
    before = last_write(story.trace, 0x8000, before=second)
    assert before is not None
    assert before.step == first
    assert last_write(story.trace, 0x8000, before=first) is None
    newest = last_write(story.trace, 0x8000, before=1000)
    assert newest is not None
    assert newest.step == second


# Explanations


def test_a_leak_names_its_writer() -> None:
    """A finding is told with the writer of its first byte."""
    story = Story()
    wrote = _write(story, 0x8010)
    dump = _dump(story, FOUND)
    leak = explain(story.trace, dump.step, FOUND)
    assert leak.observed == (
        f"at step {dump.step} 64 bytes of S lie in plaintext at 0x8010; last written at step {wrote}: "
        "scenario writes 64 bytes at Gva 0x8010 with the C-bit clear"
    )
    assert leak.steps == (dump.step, wrote)


def test_a_leak_without_a_known_writer_is_told_all_the_same() -> None:
    """If nobody in the trace wrote there, the dump alone is the proof."""
    story = Story()
    dump = _dump(story, FOUND)
    assert explain(story.trace, dump.step, FOUND).steps == (dump.step,)


@pytest.mark.parametrize("side", ["host", "device"])
def test_a_leak_names_the_mapping_that_ended(side: str) -> None:
    """A mapping that covered the place, at either end, is told with the step at which it ended."""
    story = Story()
    ends = {"host": 0x2000, "device": 0x3000, side: 0x8000}
    made = story.map(operation=DmaOperation.WRITE, host=ends["host"], device=ends["device"])
    ended = story.unmap() + 1
    dump = _dump(story, FOUND)
    leak = explain(story.trace, dump.step, FOUND)
    assert f"M1 (BusMasterWrite, step {made}) covered it and ended at {ended}" in leak.observed
    assert leak.steps == (dump.step, made, ended)


def test_a_mapping_that_outlived_boot_services_is_told() -> None:
    """A mapping that nobody ended is told with the end of boot services."""
    story = Story()
    made = story.map(host=0x8000)
    gone = story.phase(Phase.SERVICES_GONE)
    dump = _dump(story, FOUND)
    leak = explain(story.trace, dump.step, FOUND)
    assert f"M1 (BusMasterCommonBuffer, step {made}) covers it and was never ended" in leak.observed
    assert leak.steps == (dump.step, made, gone)


def test_a_mapping_that_lives_excuses_and_is_not_told() -> None:
    """While a mapping lives and boot services do, its plaintext has a right to be there."""
    story = Story()
    story.map(host=0x8000)
    dump = _dump(story, FOUND)
    story.unmap()
    assert explain(story.trace, dump.step, FOUND).steps == (dump.step,)


def test_the_newest_mapping_of_the_place_is_told() -> None:
    """Where several mappings used the same memory one after the other, the newest before the dump explains it."""
    story = Story()
    for name in ("M1", "M2"):
        story.map(name, DmaOperation.READ, host=0x1000, device=0x8000)
        ended = story.unmap(name) + 1
    dump = _dump(story, FOUND)
    story.map("M3", DmaOperation.READ, host=0x1000, device=0x8000)
    leak = explain(story.trace, dump.step, FOUND)
    assert "M2 (" in leak.observed
    assert leak.steps[-1] == ended


def test_mappings_elsewhere_are_not_told() -> None:
    """A mapping that did not cover the place has nothing to do with it."""
    story = Story()
    story.map(host=0x1000, device=0x7000)
    story.unmap()
    dump = _dump(story, FOUND)
    assert explain(story.trace, dump.step, FOUND).steps == (dump.step,)


def test_every_finding_is_explained() -> None:
    """`leaks` explains each finding of a dump, in order."""
    story = Story()
    other = Finding("T", 32, Gpa(0x9000), 32)
    dump = _dump(story, FOUND, other)
    assert list(leaks(story.trace, dump)) == [explain(story.trace, dump.step, found) for found in (FOUND, other)]


def test_a_control_shows_what_a_search_finds() -> None:
    """Only a control search shows that a secret was in plaintext; a compromise is no control."""
    story = Story()
    _dump(story, FOUND)
    assert not shown_in_plaintext(story.trace, "S")
    _dump(story, FOUND, attacker=False)
    assert shown_in_plaintext(story.trace, "S")
    assert not shown_in_plaintext(story.trace, "T")
