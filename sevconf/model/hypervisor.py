"""
The host: it keeps its promises until it is compromised, and from then on an attacker has all that it can see.

What it sees is DRAM as it lies, and the devices that it plays. A search looks for secrets: bytes that the suite made
and that occur nowhere else, so that a run of 32 of them, or a report of a keyboard with a key Shift held down, can't be
there by chance.

Spec: the threat model, `features/threat_model`; Linux `Documentation/arch/x86/amd-memory-encryption.rst`.
Left out: a host that remaps, replays or compares ciphertext.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sevconf.contract.secret import Form, Secret
from sevconf.model.devices.disk import Disk
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.lookout import Lookout, hits, merged
from sevconf.model.recorder import Recorder
from sevconf.trace import Dumped, Exposed, Finding, HostAct, SecretBorn
from sevconf.vocabulary import PAGE_SIZE, Gpa

#: Usage codes of the letters and digits of a keyboard, and how many they are.
FIRST_KEY, KEYS = 0x04, 36


class Forgetful(Protocol):
    """A device of which the host keeps something."""

    def forget(self) -> None:
        """Destroy what the host keeps."""
        ...


class Hypervisor:
    """The host of the machine; `seed` makes its secrets."""

    actor = "host"

    def __init__(
        self,
        recorder: Recorder,
        ram: EncryptedRam,
        disk: Disk,
        seed: int,
        run_devices: Callable[[], None],
        *,
        others: Sequence[Forgetful] = (),
    ) -> None:
        self._recorder = recorder
        self._ram = ram
        self._disk = disk
        self._seed = seed
        self._run_devices = run_devices
        self._others = others
        self._lookout: Lookout | None = None
        self._exposed: tuple[Finding, ...] = ()

    def read(self, gpa: Gpa, length: int) -> bytes:
        """Read DRAM as it lies."""
        return self._ram.read_host(gpa, length)

    def write(self, gpa: Gpa, data: bytes) -> None:
        """Write DRAM as it lies."""
        self._ram.write_host(gpa, data)

    def secret(self, name: str, length: int) -> Secret:
        """Make a secret of that many bytes."""
        data = hashlib.shake_128(f"{self._seed}/{name}".encode()).digest(length)
        return self._born(Secret(name, data))

    def keystrokes(self, name: str, count: int) -> Secret:
        """Make a secret of that many keystrokes: letters and digits, typed with both keys Shift in all ways."""
        draw = hashlib.shake_128(f"{self._seed}/{name}".encode()).digest(2 * count)
        reports = [
            bytes([(0x02, 0x20, 0x22)[shift % 3], 0, FIRST_KEY + key % KEYS, 0, 0, 0, 0, 0])
            for shift, key in zip(draw[::2], draw[1::2], strict=True)
        ]
        data = b"".join(reports)
        return self._born(Secret(name, data, Form.REPORTS))

    def _born(self, secret: Secret) -> Secret:
        self._recorder.record(SecretBorn, by="scenario", secret=secret.name, length=len(secret.data))
        if self._lookout is not None:
            self._lookout.add(secret)
        return secret

    def search(self, secrets: Sequence[Secret]) -> Dumped:
        """Look for secrets, as a positive control."""
        return self._dump(secrets, attacker=False)

    def compromise(self, secrets: Sequence[Secret]) -> Dumped:
        """Let an attacker look for secrets."""
        return self._dump(secrets, attacker=True)

    def watch(self) -> None:
        """Let an attacker look for every secret that is made from now on, after every step."""
        self._lookout = lookout = Lookout(self._ram)
        self._recorder.record(HostAct, by=self.actor, what="lets an attacker dump DRAM after every step from now on")

        def look() -> None:
            found = lookout.look()
            if found != self._exposed:
                self._exposed = found
                self._recorder.record(Exposed, by=self.actor, findings=found)

        self._recorder.behind_each = look

    def run_devices(self, rounds: int) -> None:
        """Let the devices make progress while the guest does nothing."""
        self._recorder.record(HostAct, by=self.actor, what=f"lets its devices run for {rounds} steps")
        with self._recorder.acting(self.actor):
            for _ in range(rounds):
                self._run_devices()

    def wipe_copies(self) -> None:
        """Destroy all that the host itself keeps of what the guest sent."""
        self._disk.medium = bytearray(len(self._disk.medium))
        for device in self._others:
            device.forget()
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
    return merged(secret, (hit for start, run in runs for hit in hits(secret, start, run)))
