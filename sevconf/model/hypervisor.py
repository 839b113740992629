"""
The host: it keeps its promises until it is compromised, and from then on an attacker has all that it can see.

What it sees is DRAM as it lies, and the devices that it plays. A search looks for secrets: bytes that the suite made
and that occur nowhere else, so that a run of 32 of them can't be there by chance.

Spec: the threat model, `features/threat_model`; Linux `Documentation/arch/x86/amd-memory-encryption.rst`.
Left out: a host that remaps, replays or compares ciphertext.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from sevconf.contract.secret import Secret
from sevconf.model.devices.disk import Disk
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.recorder import Recorder
from sevconf.trace import Dumped, Finding, HostAct, SecretBorn
from sevconf.vocabulary import PAGE_SIZE, Gpa

#: Bytes of a secret that are looked for as one: unique, and too many to be there by chance.
UNIT = 32


class Hypervisor:
    """The host of the machine; `seed` makes its secrets."""

    actor = "host"

    def __init__(
        self, recorder: Recorder, ram: EncryptedRam, disk: Disk, seed: int, run_devices: Callable[[], None]
    ) -> None:
        self._recorder = recorder
        self._ram = ram
        self._disk = disk
        self._seed = seed
        self._run_devices = run_devices

    def read(self, gpa: Gpa, length: int) -> bytes:
        """Read DRAM as it lies."""
        return self._ram.read_host(gpa, length)

    def write(self, gpa: Gpa, data: bytes) -> None:
        """Write DRAM as it lies."""
        self._ram.write_host(gpa, data)

    def secret(self, name: str, length: int) -> Secret:
        """Make a secret of that many bytes."""
        data = hashlib.shake_128(f"{self._seed}/{name}".encode()).digest(length)
        self._recorder.record(SecretBorn, by="scenario", secret=name, length=length)
        return Secret(name, data)

    def search(self, secrets: Sequence[Secret]) -> Dumped:
        """Look for secrets, as a positive control."""
        return self._dump(secrets, attacker=False)

    def compromise(self, secrets: Sequence[Secret]) -> Dumped:
        """Let an attacker look for secrets."""
        return self._dump(secrets, attacker=True)

    def run_devices(self, rounds: int) -> None:
        """Let the devices make progress while the guest does nothing."""
        self._recorder.record(HostAct, by=self.actor, what=f"lets its devices run for {rounds} steps")
        with self._recorder.acting(self.actor):
            for _ in range(rounds):
                self._run_devices()

    def wipe_copies(self) -> None:
        """Destroy all that the host itself keeps of what the guest sent."""
        self._disk.medium = bytearray(len(self._disk.medium))
        self._recorder.record(HostAct, by=self.actor, what="detaches the disk image and wipes its own copies")

    def runs(self) -> Iterable[tuple[Gpa, bytes]]:
        """Return all of DRAM that was ever written, as runs of bytes."""
        return [(start, bytes(run)) for start, run in self._ram.dump()]

    def _dump(self, secrets: Sequence[Secret], *, attacker: bool) -> Dumped:
        runs = tuple(self.runs())
        text = hashlib.sha256()
        for start, run in runs:
            text.update(start.to_bytes(8, "little"))
            text.update(run)
        findings = tuple(finding for secret in secrets for finding in find(secret, runs))
        pages = sum(len(run) for _, run in runs) // PAGE_SIZE
        return self._recorder.record(
            Dumped, by=self.actor, attacker=attacker, pages=pages, sha256=text.hexdigest(), findings=findings
        )


def find(secret: Secret, runs: Iterable[tuple[Gpa, bytes]]) -> list[Finding]:
    """Find all units of a secret in runs of bytes; units that lie side by side are one finding, in address order."""
    hits: list[tuple[int, int, int]] = []
    for start, run in runs:
        for offset in range(0, len(secret.data), UNIT):
            unit = secret.data[offset : offset + UNIT]
            at = run.find(unit) if len(unit) >= UNIT // 2 else -1
            while at >= 0:
                hits.append((start + at, offset, len(unit)))
                at = run.find(unit, at + 1)
    findings: list[Finding] = []
    for gpa, offset, length in sorted(hits):
        last = findings[-1] if findings else None
        if last and last.gpa + last.length == gpa and last.offset + last.length == offset:
            findings[-1] = Finding(secret.name, last.offset, last.gpa, last.length + length)
        else:
            findings.append(Finding(secret.name, offset, Gpa(gpa), length))
    return findings
