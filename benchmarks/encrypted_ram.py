"""
What encrypted RAM costs: encrypt and dump 256 MiB, against OpenSSL alone and against a cipher that goes page by page.

All are timed in one process, in turns, the best of several rounds; only the ratios mean anything on another machine.
OpenSSL's XTS takes at most 16 MiB under one tweak, so 256 MiB are 16 one-shot calls. They are timed twice: with a new
output for each call, as `update` returns it, and into one that is in memory already, as our DRAM is from round two on.
"""

import time
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from tabulate import tabulate

from sevconf.model.cipher import BLOCK_SIZE, MemoryCipher, Pages, Words
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.vocabulary import PAGE_SIZE, Gpa

MIB = 1 << 20
SIZE = 256 * MIB
UNIT = 16 * MIB
ROUNDS = 5
KEY = bytes(range(BLOCK_SIZE))


class PagewiseCipher(MemoryCipher):
    """The variant not taken: a new cipher context and an ECB call for each page, with the same tweak."""

    def encrypt(self, pages: Pages, gpas: Words, out: Pages | None = None) -> Pages:
        """Encrypt page by page."""
        result = np.empty(pages.shape, np.uint8) if out is None else out
        for at, page_tweak in enumerate(self.page_tweaks(gpas)):
            tweak = self._in_page ^ np.tile(page_tweak, PAGE_SIZE // BLOCK_SIZE)
            encryptor = Cipher(algorithms.AES128(KEY), modes.ECB()).encryptor()  # noqa: S305 - XEX is made of it
            mixed = encryptor.update((pages[at].view(np.uint64) ^ tweak).tobytes())
            result[at] = (np.frombuffer(mixed, np.uint64) ^ tweak).view(np.uint8)
        return result


def write_all(ram: EncryptedRam) -> None:
    """Let the guest write every page through C=1, so that a dump has to encrypt all of them."""
    data = np.random.default_rng(1).bytes(MIB)
    for gpa in range(0, SIZE, MIB):
        ram.write_private(Gpa(gpa), data)


def xts() -> CipherContext:
    """Make a context for one unit."""
    return Cipher(algorithms.AES(KEY + KEY[::-1]), modes.XTS(bytes(BLOCK_SIZE))).encryptor()


def timed(act: Callable[[], object]) -> float:
    """Tell the seconds that an act takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def main() -> None:
    """Print a table of times and their ratios to ours."""
    ram = EncryptedRam(SIZE, KEY)
    ours, pagewise = ram.cipher, PagewiseCipher(KEY)
    write_all(ram)
    [(_, dram)] = ram.dump()
    output = memoryview(bytearray(SIZE + BLOCK_SIZE))
    best: dict[str, float] = {}

    def keep(name: str, act: Callable[[], object]) -> None:
        best[name] = min(timed(act), best.get(name, float("inf")))

    for _ in range(ROUNDS):
        write_all(ram)
        ram.cipher = ours
        keep("sevconf: encrypt and dump", lambda: list(ram.dump()))
        keep("AES-128-XTS, new output", lambda: [xts().update(dram[at : at + UNIT]) for at in range(0, SIZE, UNIT)])
        keep(
            "AES-128-XTS, output in memory",
            lambda: [xts().update_into(dram[at : at + UNIT], output[at:]) for at in range(0, SIZE, UNIT)],
        )
        write_all(ram)
        ram.cipher = pagewise
        keep("page by page: encrypt and dump", lambda: list(ram.dump()))

    own = best["sevconf: encrypt and dump"]
    rows = [[name, f"{1000 * seconds:.1f}", f"{own / seconds:.2f}"] for name, seconds in best.items()]
    print(
        tabulate(
            rows, headers=["256 MiB", "ms", "ours / this"], disable_numparse=True, colalign=("left", *["right"] * 2)
        )
    )


if __name__ == "__main__":
    main()
