"""Images out of files: what a loader takes, what it refuses and in which words, and what a reader's death comes to."""

import os
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from sevconf.cli import main
from sevconf.errors import Unsupported, UsageError
from sevconf.subjects.binary import extra
from sevconf.subjects.binary.images import files
from sevconf.subjects.binary.images.files import images_of, load, place_of

from .maker import AARCH64, CODE, DATA, PAGE, POINTER, TEXT, Part, pe, relocations, rom
from .mutants import Mutant, mutants, originals, outcome, tried

OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")


def _file(tmp_path: Path, data: bytes, name: str = "x.efi") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_an_image_is_laid_out_and_relocated(tmp_path: Path) -> None:
    """Sections lie at their places, and what is relocated follows the base; protections stand with the sections."""
    image = load(place_of(str(_file(tmp_path, pe()))))
    memory = image.at(0x123_0000)
    assert (image.name, image.entry, image.size, image.relocations) == ("x", PAGE, 4 * PAGE, (2 * PAGE,))
    assert memory[PAGE : PAGE + 6] == TEXT.content
    assert struct.unpack_from("<Q", memory, 2 * PAGE) == (0x123_1000,)
    assert image.keeps_protections
    text, data = image.section_of(PAGE + 5), image.section_of(2 * PAGE)
    assert text is not None
    assert (text.executable, text.writable) == (True, False)
    assert data is not None
    assert (data.executable, data.writable) == (False, True)
    assert image.section_of(0) is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is no PE image, PCI option ROM or firmware volume with an executable in it"),
        (b"MZ", "it is no PE image: "),
        (pe()[:0x300], r"section \.text ends at 0x406 of a file of 0x300 bytes"),
        (pe()[:0x420], r"section \.data ends at 0x608 of a file of 0x420 bytes"),
        (pe(TEXT, Part(b".data", PAGE + 4, b"x" * 8, DATA)), "section .data at 0x1004 overlaps what lies before it"),
        (pe(TEXT, Part(b".data", 2 * PAGE, b"x", DATA, size=1 << 30)), "section .data ends at 0x40002000, behind the"),
        (
            pe(Part(b".text", 0x200, b"x" * 64, CODE)),
            "section .text at 0x200 overlaps what lies before it",
        ),
        (pe(size=1 << 30), "expected an image of at most 16777216 bytes, not 1073741824"),
        (pe(size=0), "expected an image of at most 16777216 bytes, not 0"),
        (pe(entry=2 * PAGE), "its entry point 0x2000 lies in no executable section"),
        (pe(entry=0xFFFF_0000), "its entry point 0xffff0000 lies in no executable section"),
        (pe(reloc=relocations(0xAFFC, page=3 * PAGE)), "a relocation at 0x3ffc lies behind the image's 0x4000 bytes"),
        (pe(reloc=relocations(0x3000)), "expected relocations of type 10, not 3 at 0x2000"),
        (pe(alignment=24), "expected the alignment of sections to be a power of two, not 24"),
        (pe(subsystem=3), "expected a subsystem of UEFI .10 to 13., not 3"),
        (pe(imports=40), "it imports from other images, which an image of UEFI does not"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[:40],
)
def test_damage_is_told(tmp_path: Path, data: bytes, says: str) -> None:
    """A damaged image is wrong use, and the message says what is wrong with it."""
    with pytest.raises(UsageError, match=says):
        load(place_of(str(_file(tmp_path, data))))


@pytest.mark.parametrize(
    ("data", "says"),
    [(pe(machine=AARCH64), r"x\.efi is PE32\+ for aarch64"), (pe(machine=0x1234), r"PE32\+ for machine 0x1234")],
)
def test_another_architecture_is_unsupported(tmp_path: Path, data: bytes, says: str) -> None:
    """A sound image of another architecture is no wrong use: it cannot be judged."""
    with pytest.raises(Unsupported, match=says):
        load(place_of(str(_file(tmp_path, data))))


@pytest.mark.parametrize("compressed", [False, True])
def test_option_roms(tmp_path: Path, *, compressed: bool) -> None:
    """Each driver of a ROM is found by number or by vendor and device, compressed or not."""
    other = pe(Part(b".text", PAGE, b"\xc3", CODE), POINTER)
    path = _file(tmp_path, rom(pe(), other, compressed=compressed), "x.rom")
    assert [(image.number, image.name) for image in images_of(path)] == [(0, "1af4:1000"), (1, "1af4:1001")]
    assert load(place_of(f"{path}#0")).memory[PAGE : PAGE + 6] == TEXT.content
    assert load(place_of(f"{path}#1af4:1001")).memory[PAGE] == 0xC3
    with pytest.raises(UsageError, match=r"x\.rom holds 2 images\nhint: name one behind a #: `sevconf list images"):
        load(place_of(str(path)))
    with pytest.raises(UsageError, match=r"x\.rom has 2 images, none of number 2"):
        load(place_of(f"{path}#2"))
    with pytest.raises(UsageError, match=r"x\.rom has no image 1af4:1002\nhint: did you mean"):
        load(place_of(f"{path}#1af4:1002"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (rom(pe(), last=False), "expected an image of the ROM at 0x"),
        (rom(pe())[:0x30], "the data structure of the image at 0x0 lies behind the file's end"),
        (rom(pe())[:0x600], "the driver of the image at 0x0 lies outside the file"),
        (rom(pe()).replace(b"PCIR", b"PCIX"), "expected PCIR at 0x1c"),
        (
            rom(pe(), compressed=True).replace(b"\x0b\0\x64\x86\1\0", b"\x0b\0\x64\x86\7\0"),
            "compression type 0 or 1",
        ),
        (rom(pe(), compressed=True)[:0x38] + b"\xff" * 0x1000, "its compressed driver claims 4294967295 bytes"),
    ],
)
def test_damaged_roms(tmp_path: Path, data: bytes, says: str) -> None:
    """A damaged ROM is told as such."""
    with pytest.raises(UsageError, match=says):
        images_of(_file(tmp_path, data, "x.rom"))


def test_firmware_holds_the_drivers_of_its_volumes() -> None:
    """Debian's OVMF has 124 executables, IoMmuDxe among them; names may be written in any case, or be GUIDs."""
    images = images_of(OVMF)
    assert len(images) == 124
    found = next(image for image in images if image.name == "IoMmuDxe")
    assert (found.form, found.machine, found.subsystem) == ("PE32+", "x86-64", "boot driver")
    by_guid = load(place_of(f"{OVMF}#{found.guid}"))
    assert by_guid == load(place_of(f"{OVMF}#iommudxe"))
    assert (by_guid.name, by_guid.sha256, by_guid.keeps_protections) == ("IoMmuDxe", found.sha256, False)
    with pytest.raises(UsageError, match=r"has no image IoMuDxe\nhint: did you mean IoMmuDxe"):
        load(place_of(f"{OVMF}#IoMuDxe"))
    with pytest.raises(Unsupported, match="is PE32 for ia32"):
        load(place_of(f"{OVMF}#{next(image.number for image in images if image.machine == 'ia32')}"))


def test_files_that_are_none(tmp_path: Path) -> None:
    """A missing file, a folder and a huge file are told before any child reads them."""
    with pytest.raises(UsageError, match=r"none\.efi cannot be read: No such file or directory"):
        images_of(tmp_path / "none.efi")
    with pytest.raises(UsageError, match="expected a file"):
        images_of(tmp_path)
    huge = tmp_path / "huge.efi"
    with huge.open("wb") as file:
        os.truncate(file.fileno(), files.LARGEST + 1)
    with pytest.raises(UsageError, match=r"huge\.efi has 67108865 bytes; at most 67108864 are read"):
        images_of(huge)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.abort()", "its reader ends with code -6 and answers nothing that can be used"),
        ("raise SystemExit(0)", "its reader ends with code 0 and answers nothing"),
        ("import os, sys; os.write(int(sys.argv[1]), b'[1]')", "its reader ends with code 0 and answers nothing"),
        ("import os, sys; os.write(int(sys.argv[1]), b'{\"images\": [{}]}')", "its reader answers nonsense"),
        ("import time; time.sleep(60)", "that takes more than 0.5 seconds"),
    ],
)
def test_a_reader_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, says: str) -> None:
    """Whatever becomes of the child, the parent says that the file cannot be read."""
    monkeypatch.setattr(files, "_PROGRAM", program)
    monkeypatch.setattr(files, "PATIENCE", 0.5 if "sleep" in program else 20)
    with pytest.raises(UsageError, match=f"x.efi cannot be read: {says}"):
        images_of(_file(tmp_path, pe()))


def test_mutated_images_are_refused_or_loaded(tmp_path: Path) -> None:
    """Whatever is wrong with a file, the outcome is an image or one message; `mutants` run as a program tries more."""
    tally: Counter[tuple[str, str, str]] = Counter()
    for mutant in mutants(seed=0, count=30):
        tried(mutant, tmp_path, tally)
    assert {outcome for _, _, outcome in tally} >= {"loaded", "refused"}
    assert {form for form, _, _ in tally} == set(originals())


def test_what_is_mutated_is_sound(tmp_path: Path) -> None:
    """Undamaged, each of them loads."""
    for number, (form, data) in enumerate(originals().items()):
        assert outcome(Mutant(number, form, "none", data), tmp_path) == "loaded", form


def test_the_list_on_the_command_line(tmp_path: Path) -> None:
    """`list images FILE` prints a table or JSON; a damaged file, and a missing one, exit with 2 and one message."""
    path = _file(tmp_path, rom(pe()), "x.rom")
    listed = CliRunner().invoke(main, ["list", "images", str(path)])
    assert listed.exit_code == 0
    assert "1af4:1000" in listed.output
    for arguments in (["list", "images", str(_file(tmp_path, b"MZ"))], ["list", "images"], ["list", "rules", "x"]):
        refused = CliRunner().invoke(main, arguments)
        assert refused.exit_code == 2
        assert "Traceback" not in refused.output


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the libraries of the extra, the message says how to get them."""
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "unicorn" else object())
    with pytest.raises(UsageError, match=r"sevconf needs unicorn\nhint: install them: pip install 'sevconf\[efi\]'"):
        images_of(_file(tmp_path, pe()))


def test_the_extra_is_not_needed_for_the_rest() -> None:
    """Whoever judges no binary needs none of its libraries."""
    program = "import sys, sevconf.cli, sevconf.subjects.registry as r; r.resolve('reference'); print(*sys.modules)"
    modules = subprocess.run(
        [".venv/bin/python" if Path(".venv/bin/python").exists() else "python3", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not set(extra.MODULES) & set(modules)
