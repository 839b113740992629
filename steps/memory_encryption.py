"""Sentences on guest memory, C-bits and page tables."""

from typing import Literal

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.monitors import control, judge
from sevconf.vocabulary import HUGE_PAGE, LARGE_PAGE, PAGE_SIZE, CBit, Gpa, Gva

from .values import CBIT, Scene, one_of

#: Bytes of a secret in a page, and of one in each 4 KiB of a large page.
SIZE, SMALL = 512, 64
LEVEL = one_of({"PML4": 4, "PDPT": 3, "PD": 2})
WHICH = one_of({"first": 0, "200th": 199, "last": -1})
#: 4 KiB pages of a large page, by its size in words.
PIECES = {"2 MiB": LARGE_PAGE // PAGE_SIZE, "1 GiB": HUGE_PAGE // PAGE_SIZE}
#: Most secrets that a large page gets: in all of its pages, or near both ends and here and there between.
MOST = 512


def require_sight(scene: Scene, sees: str) -> None:
    """Judge what the guest saw at its last access."""
    data = scene.notes["seen"]
    saw = "a page fault" if data is None else "the secret" if data == scene.secret.data else "garbage"
    judge(saw == sees, expected=f"the guest sees {sees}", observed=f"it sees {saw}", culprit="memory")


def require_holding(machine: Machine, scene: Scene, holds: str) -> None:
    """Judge what lies in DRAM."""
    lies = machine.host.read(machine.memory.gpa(scene.notes["page"]), len(scene.secret.data))
    control(any(lies), "nothing was written there: DRAM holds zeros")
    found = "the secret" if lies == scene.secret.data else "only ciphertext"
    judge(found == holds, expected=f"DRAM holds {holds}", observed=f"it holds {found}", culprit="memory")


@given(parsers.re(r"the C-bit of that page is now (?P<cbit>set|clear)"), converters={"cbit": CBIT})
def cbit_now(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """Page tables: one leaf entry."""
    machine.memory.set_cbit(scene.notes["page"], cbit)


@given(
    parsers.re(r"the C-bit of that page is now (?P<cbit>set|clear), and the TLB is (?P<tlb>flushed|not flushed)"),
    converters={"cbit": CBIT},
)
def cbit_now_and_tlb(machine: Machine, scene: Scene, cbit: CBit, tlb: str) -> None:
    """Page tables and TLB: one leaf entry."""
    machine.memory.set_cbit(scene.notes["page"], cbit, flush=tlb == "flushed")


@given("the guest has written the secret to that page again")
def written_again(machine: Machine, scene: Scene) -> None:
    """Guest memory: a rewrite."""
    machine.memory.write(scene.notes["page"], scene.secret.data)


@given(parsers.re(r"a page that the guest has used, C-bit (?P<cbit>set|clear)"), converters={"cbit": CBIT})
def page_used(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """TLB: a page whose translation is cached."""
    scene.notes["page"] = machine.memory.pages(cbit=cbit)
    machine.memory.write(scene.notes["page"], bytes(SIZE))


@given(parsers.re(r"a page whose own C-bit is (?P<cbit>set|clear)"), converters={"cbit": CBIT})
def page_with_cbit(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """Page tables: a fresh page."""
    scene.notes["page"] = machine.memory.pages(cbit=cbit)


@given(
    parsers.re(r"the C-bit of the (?P<level>PML4|PDPT|PD) entry above it is (?P<cbit>set|clear)"),
    converters={"level": LEVEL, "cbit": CBIT},
)
def cbit_above(machine: Machine, scene: Scene, level: Literal[2, 3, 4], cbit: CBit) -> None:
    """Page tables: an entry that points to a table."""
    machine.memory.set_table_cbit(scene.notes["page"], level, cbit)


@given(
    parsers.re(r"that page is mapped again by a table that was written with the C-bit (?P<cbit>set|clear)"),
    converters={"cbit": CBIT},
)
def mapped_by_table(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """Page tables: a leaf table that the guest wrote."""
    scene.notes["table"] = machine.memory.map_by_table(scene.notes["page"], cbit)


@given("the OS has loaded page tables with the C-bit set everywhere")
def os_tables(machine: Machine) -> None:
    """Page tables: CR3."""
    machine.memory.switch_page_tables(CBit.SET)


@given(
    parsers.re(
        r"a (?P<size>2 MiB|1 GiB) page whose C-bit is (?P<cbit>set|clear), with a secret in "
        r"(every 4 KiB|many 4 KiB pages) of it"
    ),
    converters={"cbit": CBIT},
)
def large_page(machine: Machine, scene: Scene, size: str, cbit: CBit) -> None:
    """Page tables: a large page."""
    start = machine.memory.pages(cbit=cbit, large=size == "2 MiB", huge=size == "1 GiB")
    count = PIECES[size]
    places = range(count) if count <= MOST else (*range(260), *range(511, count, 4097), *range(count - 130, count))
    scene.secrets.append(machine.host.secret("the secret", SMALL * len(places)))
    held = {place: scene.secret.data[index * SMALL : (index + 1) * SMALL] for index, place in enumerate(places)}
    for place, data in held.items():
        machine.memory.write(Gva(start + place * PAGE_SIZE), data)
    scene.notes.update(page=start, cbit=cbit, pieces=count, held=held)
    control(all(c is cbit for c in machine.memory.cbits(start, count)), f"the C-bit is not {cbit.value} at first")


@when(
    parsers.re(r"the guest reads it through (?P<through>that Gva|another Gva) whose C-bit is (?P<cbit>set|clear)"),
    converters={"cbit": CBIT},
)
def guest_reads_through(machine: Machine, scene: Scene, through: str, cbit: CBit) -> None:
    """Guest memory: a read through an entry of choice; beside another Gva, the first one writes once more."""
    page = scene.notes["page"]
    if through == "that Gva":
        machine.memory.set_cbit(page, cbit)
    else:
        page, first = machine.memory.alias(page, cbit), page
        machine.memory.write(first, scene.secret.data)
    scene.notes["seen"] = machine.memory.read(page, len(scene.secret.data))


@when(parsers.re(r"the guest fetches it through a Gva whose C-bit is (?P<cbit>set|clear)"), converters={"cbit": CBIT})
def guest_fetches(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """Guest memory: an instruction fetch."""
    page = machine.memory.alias(scene.notes["page"], cbit)
    scene.notes["seen"] = machine.memory.fetch(page, len(scene.secret.data))


@when("the guest reads it through that table")
def guest_reads_table(machine: Machine, scene: Scene) -> None:
    """Guest memory: a read behind a page walk."""
    scene.notes["seen"] = machine.memory.read(scene.notes["table"], len(scene.secret.data))


@when("the guest reads that page")
def guest_reads(machine: Machine, scene: Scene) -> None:
    """Guest memory: a read."""
    scene.notes["seen"] = machine.memory.read(scene.notes["page"], len(scene.secret.data))


@when("the guest writes a secret to that page")
def guest_writes(machine: Machine, scene: Scene) -> None:
    """Guest memory: a write."""
    scene.secrets.append(machine.host.secret("the secret", SIZE))
    control(machine.memory.write(scene.notes["page"], scene.secret.data), "the guest cannot write that page")


@when(parsers.parse("a device writes one byte at offset {offset:d} of it"))
def device_writes_byte(machine: Machine, scene: Scene, offset: int) -> None:
    """Host: one byte of DRAM."""
    gpa = machine.memory.gpa(scene.notes["page"])
    lies = machine.host.read(Gpa(gpa + offset), 1)[0]
    machine.host.write(Gpa(gpa + offset), bytes([lies ^ 0xFF]))


@when(
    parsers.re(r"the guest overwrites bytes (?P<first>\d+) to (?P<last>\d+) of it with the C-bit (?P<cbit>set|clear)"),
    converters={"first": int, "last": int, "cbit": CBIT},
)
def guest_overwrites(machine: Machine, scene: Scene, first: int, last: int, cbit: CBit) -> None:
    """Guest memory: a write of part of a block."""
    change = bytes(b ^ 0xFF for b in scene.secret.data[first : last + 1])
    machine.memory.set_cbit(scene.notes["page"], cbit)
    machine.memory.write(Gva(scene.notes["page"] + first), change)
    scene.notes["expected"] = scene.secret.data[:first] + change + scene.secret.data[last + 1 :]


@when(
    parsers.re(r"the C-bit of its (?P<which>first|200th|last) 4 KiB page is made (?P<cbit>set|clear)"),
    converters={"which": WHICH, "cbit": CBIT},
)
def change_one_piece(machine: Machine, scene: Scene, which: int, cbit: CBit) -> None:
    """Page tables: a split."""
    which %= scene.notes["pieces"]
    scene.notes["which"] = which
    machine.memory.set_cbit(Gva(scene.notes["page"] + which * PAGE_SIZE), cbit)


@when(parsers.re(r"the C-bit of all its 4 KiB pages is made (?P<cbit>set|clear)"), converters={"cbit": CBIT})
def change_all_pieces(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """Page tables: a large page, whole."""
    machine.memory.set_cbit(scene.notes["page"], cbit, scene.notes["pieces"])


@then(parsers.re(r"the guest sees (?P<sees>the secret|garbage|a page fault)"))
def guest_sees(scene: Scene, sees: str) -> None:
    """Guest memory: the last access."""
    require_sight(scene, sees)


@then(parsers.re(r"DRAM holds (?P<holds>the secret|only ciphertext) there"))
def dram_holds(machine: Machine, scene: Scene, holds: str) -> None:
    """DRAM: one page."""
    require_holding(machine, scene, holds)


@then(parsers.parse("the guest has lost exactly bytes {first:d} to {last:d} of it"))
def guest_lost(machine: Machine, scene: Scene, first: int, last: int) -> None:
    """Guest memory: what survived."""
    seen = machine.memory.read(scene.notes["page"], SIZE) or b""
    pairs = zip(seen, scene.secret.data, strict=True)
    lost = [index for index, (now, then_) in enumerate(pairs) if now != then_]
    # A garbled byte is what it was in one case of 256, so a lost block need not differ in every byte.
    outside = [index for index in lost if not first <= index <= last]
    judge(
        not outside and len(lost) > (last - first + 1) // 2,
        expected=f"bytes {first} to {last} are garbled, and no others",
        observed=f"bytes {lost} are garbled" if len(lost) <= 2 * (last - first + 1) else f"{len(lost)} bytes are",
        culprit="memory",
    )


@then("the guest reads the change, and every other byte as it was")
def guest_reads_change(machine: Machine, scene: Scene) -> None:
    """Guest memory: around a small write."""
    seen = machine.memory.read(scene.notes["page"], SIZE)
    wrong = [i for i, (now, want) in enumerate(zip(seen or b"", scene.notes["expected"], strict=False)) if now != want]
    judge(
        seen == scene.notes["expected"],
        expected="only the bytes that were written have changed",
        observed=f"{len(wrong)} bytes differ, from byte {wrong[0] if wrong else '-'} on",
        culprit="memory",
    )


@then(parsers.re(r"the C-bit of that page alone is (?P<cbit>set|clear)"), converters={"cbit": CBIT})
def cbit_of_one(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """Page tables: all entries of a former large page."""
    cbits = machine.memory.cbits(scene.notes["page"], scene.notes["pieces"])
    wrong = [i for i, c in enumerate(cbits) if c is not (cbit if i == scene.notes["which"] else scene.notes["cbit"])]
    judge(
        not wrong,
        expected=f"page {scene.notes['which']} has the C-bit {cbit.value}, the others as before",
        observed=f"{len(wrong)} pages have another C-bit, the first of them page {wrong[0] if wrong else '-'}",
        culprit="memory",
    )


@then(parsers.re(r"the C-bit of all its 4 KiB pages is (?P<cbit>set|clear)"), converters={"cbit": CBIT})
def cbit_of_all(machine: Machine, scene: Scene, cbit: CBit) -> None:
    """Page tables: all entries of a large page."""
    wrong = sum(c is not cbit for c in machine.memory.cbits(scene.notes["page"], scene.notes["pieces"]))
    judge(not wrong, expected=f"every C-bit is {cbit.value}", observed=f"{wrong} are not", culprit="memory")


@then("the guest still reads its secret in every other page")
def neighbours_readable(machine: Machine, scene: Scene) -> None:
    """Guest memory: the neighbours of a split."""
    wrong = [
        place
        for place, data in scene.notes["held"].items()
        if place != scene.notes["which"]
        and machine.memory.read(Gva(scene.notes["page"] + place * PAGE_SIZE), SMALL) != data
    ]
    judge(
        not wrong,
        expected="all other pages read as before",
        observed=f"{len(wrong)} pages read otherwise, the first of them page {wrong[0] if wrong else '-'}",
        culprit="memory",
    )
