"""
Known truth from source: Debian's package `edk2`, its IoMmuDxe built with one change each, judged, and held against it.

The package is fetched with apt (deb-src of Debian's archive, its own lists) and built below build/variants; nothing of
it is committed but the few words by which a change finds its place. A variant must newly fail exactly the rules that it
names, by the difference from the unchanged build; a control must fail none. Needs build-essential, dpkg-dev, nasm,
acpica-tools, uuid-dev and python3-distutils. Exit code 1 if a variant is not as it should be.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
from tabulate import tabulate

from tests.known_truth import judged, newly_failing

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "variants"
SOURCE = PLACE / "edk2"
FILE = SOURCE / "OvmfPkg/IoMmuDxe/AmdSevIoMmu.c"
#: A patch of Debian's that other packages of theirs are needed for.
UNWANTED = "Disable-the-Shell-when-SecureBoot-is-enabled.patch"
NEEDED = ("apt-get", "dpkg-source", "patch", "make", "gcc", "nasm", "iasl")
BUILD = (
    ". ./edksetup.sh >/dev/null && build -a X64 -t GCC5 -b RELEASE -p OvmfPkg/OvmfPkgX64.dsc "
    "-m OvmfPkg/IoMmuDxe/IoMmuDxe.inf -n 2"
)
BUILT = SOURCE / "Build/OvmfX64/RELEASE_GCC5/X64/IoMmuDxe.efi"

MAP, UNMAP, ALL, INSTALL = "IoMmuMap", "IoMmuUnmapWorker", "IoMmuUnmapAllMappings", "InstallIoMmuProtocol"
BOUNCED = "CommonBufferHeader == NULL"
FREE = "gBS->FreePages (MapInfo->PlainTextAddress, MapInfo->NumberOfPages);"
ZERO = r"ZeroMem \(.*?\);"
SEV = r"(?=if \(CC_GUEST_IS_SEV)"
PAGES = "EFI_PAGES_TO_SIZE (MapInfo->NumberOfPages)"


@dataclass(frozen=True, slots=True)
class Edit:
    """A change inside one function: the first place that a pattern finds, and what comes there."""

    function: str
    pattern: str
    put: str

    def applied(self, text: str) -> str:
        """Return the source with it."""
        found = re.search(rf"^{self.function} \(\n.*?^}}", text, re.MULTILINE | re.DOTALL)
        if found is None:
            sys.exit(f"{FILE.name} has no function {self.function}")
        body, times = re.subn(self.pattern, self.put, found[0], count=1, flags=re.DOTALL)
        if times != 1:
            sys.exit(f"{self.function} has no place {self.pattern!r}")
        return text[: found.start()] + body + text[found.end() :]


@dataclass(frozen=True, slots=True)
class Variant:
    """
    A name, the changes that make it, and the rules that it must newly fail (none: a control).

    `reveals` are rules that the unchanged driver breaks too, on rows that only a handler at another level can show.
    """

    name: str
    edits: tuple[Edit, ...]
    fails: tuple[str, ...]
    reveals: tuple[str, ...] = ()


VARIANTS = (
    Variant("unchanged", (), ()),
    Variant(
        "control-exit-at-notify",
        (Edit(INSTALL, r"(EVT_SIGNAL_EXIT[^,]*,[^,]*)TPL_CALLBACK", r"\1TPL_NOTIFY"),),
        (),
        reveals=("EBS-14",),
    ),
    Variant(
        "control-zeroes-while-shared",
        (
            Edit(UNMAP, ZERO, ""),
            Edit(UNMAP, SEV, f"if ({BOUNCED}) {{ ZeroMem ((VOID *)(UINTN)MapInfo->PlainTextAddress, {PAGES}); }} "),
        ),
        (),
    ),
    Variant("never-zeroes-bounce", (Edit(UNMAP, ZERO, ""),), ("DMA-01", "DRV-24", "EBS-08", "TM-02")),
    Variant(
        "tears-down-at-once", (Edit(INSTALL, "(IoMmuExitBoot),", rf"EFI_ERROR (Status) ? \1 : {ALL},"),), ("EBS-10",)
    ),
    Variant(
        "both-at-notify", (Edit(INSTALL, "TPL_CALLBACK", "TPL_NOTIFY"),) * 2, ("EBS-06", "EBS-09"), reveals=("EBS-14",)
    ),
    Variant(
        "no-exit-event",
        (Edit(INSTALL, "EVT_SIGNAL_EXIT_BOOT_SERVICES", "EVT_NOTIFY_SIGNAL"),),
        ("DRV-24", "EBS-07", "EBS-08", "EBS-25"),
    ),
    Variant("frees-at-exit", (Edit(ALL, "TRUE", "FALSE"),), ("MEM-04",)),
    Variant("allocates-at-exit", (Edit(ALL, "(?=IoMmuUnmapWorker)", "AllocatePool (64); "),), ("MEM-04",)),
    Variant("skips-read", (Edit(MAP, r"if \(\(Operation == [^|]*\|\|[^|]*\|\|", "if ("),), ("DMA-02", "DMA-14")),
    Variant("newest-only", (Edit(ALL, r"(TRUE[^)]*\);)", r"\1 break;"),), ("DRV-24", "EBS-07", "EBS-08")),
    Variant(
        "forgets-last-page",
        (Edit(UNMAP, r"(SetPageEncMask \([^)]*NumberOfPages)", r"\1 - (MapInfo->NumberOfPages > 1)"),),
        ("DMA-01", "DMA-03", "DMA-17", "DMA-30", "DMA-31", "EBS-08", "EBS-25"),
    ),
    Variant(
        "common-not-rewritten",
        (Edit(UNMAP, r"CopyMem \(\s*\(VOID \*\)\(UINTN\)MapInfo->Crypted.*?\);", ""),),
        ("DMA-01", "DRV-24", "EBS-08"),
    ),
    Variant(
        "no-copy-back",
        (Edit(UNMAP, r"(BusMasterWrite64:\n)", rf"\1 if ({BOUNCED}) {{ break; }}\n"),),
        ("DMA-02", "DMA-14"),
    ),
    Variant(
        "reads-whole-pages",
        (
            Edit(
                MAP,
                r"(DecryptionSource,\s*)MapInfo->NumberOfBytes",
                rf"\1(DecryptionSource == HostAddress) ? {PAGES} : MapInfo->NumberOfBytes",
            ),
        ),
        ("DMA-16",),
    ),
    Variant(
        "writes-whole-pages",
        (
            Edit(
                UNMAP,
                r"(EncryptionTarget,[^,]*,\s*)MapInfo->NumberOfBytes",
                rf"\1({BOUNCED}) ? {PAGES} : MapInfo->NumberOfBytes",
            ),
        ),
        ("DMA-14", "DMA-16"),
    ),
    Variant(
        "frees-before-encryption",
        (
            Edit(UNMAP, re.escape(FREE), ""),
            Edit(UNMAP, SEV, f"if (!MemoryMapLocked && {BOUNCED}) {{ {FREE} }} "),
        ),
        ("DMA-17",),
    ),
    Variant(
        "reads-not-tracked",
        (
            Edit(
                MAP,
                r"(InsertHeadList \(&mMapInfos)",
                r"InitializeListHead (&MapInfo->Link); if (Operation % 3 != 0) \1",
            ),
        ),
        ("EBS-07", "EBS-25"),
    ),
)


def run(command: str, folder: Path, **more: str) -> None:
    """Run a command of the shell; its output is kept in a log."""
    with (PLACE / "log").open("a", encoding="utf-8") as log:
        done = subprocess.run(
            ["/bin/bash", "-c", command], cwd=folder, stdout=log, stderr=log, env={**os.environ, **more}, check=False
        )
    if done.returncode:
        sys.exit(f"{command!r} ends with code {done.returncode}: see {log.name}")


def fetch() -> None:
    """Fetch the source package, and build what builds it."""
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        sys.exit(f"expected {' '.join(missing)} to be installed")
    apt = PLACE / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (apt / "sources.list").write_text(f"deb-src [signed-by={key}] http://deb.debian.org/debian bookworm main\n")
    (apt / "conf").write_text(
        f'Dir::Etc::sourcelist "{apt}/sources.list"; Dir::Etc::sourceparts "-";\n'
        f'Dir::State::lists "{apt}/lists"; Dir::Cache "{apt}/cache";\n'
    )
    run("apt-get update && apt-get source --download-only edk2", PLACE, APT_CONFIG=str(apt / "conf"))
    run("dpkg-source --no-check -x edk2_*.dsc edk2", PLACE)
    run(f"patch -R -p1 < debian/patches/{UNWANTED}", SOURCE)
    run("make -C BaseTools", SOURCE)
    (PLACE / "fetched").touch()


def build(variant: Variant, sound: str) -> Path:
    """Build a variant, once for the same changes; returns its image."""
    kept, edits = PLACE / f"{variant.name}.efi", PLACE / f"{variant.name}.edits"
    said = repr(variant.edits)
    if kept.exists() and edits.exists() and edits.read_text(encoding="utf-8") == said:
        return kept
    text = sound
    for edit in variant.edits:
        text = edit.applied(text)
    FILE.write_text(text, encoding="utf-8", newline="")
    try:
        run(BUILD, SOURCE)
    finally:
        FILE.write_text(sound, encoding="utf-8", newline="")
    shutil.copyfile(BUILT, kept)
    edits.write_text(said, encoding="utf-8")
    return kept


def main() -> int:
    """Build and judge them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="variants (default: all)")
    parser.add_argument("--build-only", action="store_true", help="judge nothing")
    options = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    if not (PLACE / "fetched").exists():
        fetch()
    sound = PLACE / "sound.c"
    if not sound.exists():
        shutil.copyfile(FILE, sound)
    text = sound.read_text(encoding="utf-8")
    chosen = [variant for variant in VARIANTS if not options.names or variant.name in {*options.names, "unchanged"}]
    images = {variant.name: build(variant, text) for variant in chosen}
    if options.build_only:
        return 0
    before = judged(str(images["unchanged"]))
    rows, wrong = [], 0
    for variant in chosen:
        fails = newly_failing(before, judged(str(images[variant.name])))
        right = fails == {*variant.fails, *variant.reveals}
        wrong += not right
        rows.append((variant.name, "as declared" if right else "WRONG", " ".join(sorted(fails))))
        click.echo(" ".join(rows[-1]))
    click.echo(tabulate(rows, ("variant", "is", "newly fails")))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
