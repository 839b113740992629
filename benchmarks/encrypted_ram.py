"""
How much the encrypted RAM costs: encrypt and dump 256 MiB, against OpenSSL alone and against a cipher page by page.

All are timed in one process, in turns, the best of several rounds; only the ratios mean anything on another machine.
OpenSSL's XTS takes at most 16 MiB for one tweak, so 256 MiB are 16 one-shot calls. It is timed twice: with a new output
for each call, as `update` gives it, and into an output that is in memory already, as our DRAM is in all rounds but one.
"""

import time
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tabulate import tabulate

from sevconf.model.cipher import MemoryCipher, Pages, Words
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.vocabulary import PAGE_SIZE, Gpa

MIB = 1 << 20
SIZE = 256 * MIB
UNIT = 16 * MIB
ROUNDS = 5
KEY = bytes(range(16))


class PagewiseCipher(MemoryCipher):
    """The variant not taken: a cipher context and an ECB call for each page, with the same tweak."""

    def encrypt(self, pages: Pages, gpas: Words, out: Pages | None = None) -> Pages:
        """Encrypt page by page."""
        result = np.empty(pages.shape, np.uint8) if out is None else out
        for at, tweak in enumerate(self.page_tweaks(gpas)):
            whole = self._in_page ^ np.tile(tweak, PAGE_SIZE // 16)
            encryptor = Cipher(algorithms.AES128(self.key), modes.ECB()).encryptor()  # noqa: S305 - XEX is made of it
            mixed = encryptor.update((pages[at].view(np.uint64) ^ whole).data)
            result[at] = (np.frombuffer(mixed, np.uint64) ^ whole).view(np.uint8)
        return result


class PagewiseRam(EncryptedRam):
    """RAM with that cipher."""

    cipher_type = PagewiseCipher
