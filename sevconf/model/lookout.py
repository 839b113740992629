"""
What a search of all DRAM finds after each step, at the price of the pages that were written since.

Spec: the threat model, `features/threat_model`: no moment is dismissed as unlikely.
"""

from collections.abc import Iterable, Iterator

from sevconf.contract.secret import Secret
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.trace import Finding
from sevconf.vocabulary import PAGE_SIZE, Gpa

#: A unit of a secret that lies in DRAM: where, from which byte of the secret on, and how many bytes.
Hit = tuple[int, int, int]


def hits(secret: Secret, start: int, run: bytes) -> Iterator[Hit]:
    """Yield all units of a secret in a run of bytes that begins at `start`."""
    size = secret.form.value
    units: dict[bytes, int] = {}
    for offset in range(0, len(secret.data), size):
        units.setdefault(secret.data[offset : offset + size], offset)
    for unit, offset in units.items():
        at = run.find(unit) if len(unit) >= size // 2 else -1
        while at >= 0:
            yield start + at, offset, len(unit)
            at = run.find(unit, at + 1)


def merged(secret: Secret, found: Iterable[Hit]) -> list[Finding]:
    """Return units as findings, in address order; those that lie side by side are one."""
    findings: list[Finding] = []
    for gpa, offset, length in sorted(found):
        last = findings[-1] if findings else None
        if last and last.gpa + last.length == gpa and last.offset + last.length == offset:
            findings[-1] = Finding(secret.name, last.offset, last.gpa, last.length + length)
        else:
            findings.append(Finding(secret.name, offset, Gpa(gpa), length))
    return findings


class Lookout:
    """Someone who looks at DRAM after each step; secrets that are added are not in DRAM yet."""

    def __init__(self, ram: EncryptedRam) -> None:
        self._ram = ram
        self._hits: dict[Secret, set[Hit]] = {}
        self._findings: dict[Secret, list[Finding]] = {}
        ram.changed = set()

    def add(self, secret: Secret) -> None:
        """Look for this one too, from now on; one that was looked for already stays as it is."""
        self._hits.setdefault(secret, set())
        self._findings.setdefault(secret, [])

    def look(self) -> tuple[Finding, ...]:
        """Return what lies in DRAM now."""
        changed, self._ram.changed = self._ram.changed or set(), set()
        for start, end in _runs(changed):
            for secret, known in self._hits.items():
                if self._search(secret, known, start, end):
                    self._findings[secret] = merged(secret, known)
        return tuple(finding for findings in self._findings.values() for finding in findings)

    def _search(self, secret: Secret, known: set[Hit], start: int, end: int) -> bool:
        """Search again whatever touches the bytes from `start` to `end`; tells whether that changed anything."""
        gone = {hit for hit in known if hit[0] < end and start < hit[0] + hit[2]}
        floor, ceiling = (0, self._ram.size) if start < self._ram.size else self._ram.far
        first = max(start - secret.form.value + 1, floor)
        behind = min(end + secret.form.value - 1, ceiling)
        found = set(hits(secret, first, self._ram.read_raw(Gpa(first), behind - first)))
        known -= gone - found
        new = found - known
        known |= new
        return bool(new or gone - found)


def _runs(pages: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the byte ranges of runs of pages, first byte and the one behind the last."""
    ordered = sorted(pages)
    first = 0
    for place, page in enumerate(ordered, start=1):
        if place == len(ordered) or ordered[place] != page + 1:
            yield ordered[first] * PAGE_SIZE, (page + 1) * PAGE_SIZE
            first = place
