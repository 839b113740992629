"""
The memory cipher: what a guest access through C=1 does to the bytes on their way to DRAM.

Every 16-byte block at physical address pa is encrypted alone, C = AES(P xor T(pa)) xor T(pa), the XEX form of AES-128.
The tweak T is linear over the address: T(pa) is the XOR of one 16-byte constant t_i for each set bit i >= 4 of pa.
The exact mode and constants of a processor are its own; this form is the model's choice, and its constants are derived
from the key, so that the same key gives the same DRAM, byte for byte. What the suite rests on does not depend on them:
a block is lost or kept whole, and equal plaintext at two addresses looks different.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst` (memory is encrypted, with a key per guest); FIPS 197
(AES, blocks of 16 bytes); Z.-H. Du et al., "Secure Encrypted Virtualization is Unsecure", 2017 (the physical address
is a tweak).

Left out: the real constants; host-physical addresses (the guest-physical address stands for them, as long as the host
moves no page). That equal plaintext gives equal ciphertext at one address is real, and kept.
"""

from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from numpy.typing import NDArray

from sevconf.vocabulary import PAGE_SIZE

#: Bytes of a block: the grain in which bytes are encrypted, and lost.
BLOCK_SIZE = 16

_LABEL = b"tweak constant"
_FIRST_BIT = 4
_PAGE_BIT = 12
_ADDRESS_BITS = 52
#: Page-address bits that one look-up table resolves: four such tables reach bit 51, RAM up to 16 GiB needs two.
_TABLE_BITS = 11
_WORDS = PAGE_SIZE // 8
#: Pages of one ECB call: their plaintext, tweak and ciphertext stay in the second-level cache together.
_CHUNK = 128

Pages = NDArray[np.uint8]
Words = NDArray[np.uint64]


def _aes(key: bytes) -> Cipher[modes.ECB]:
    """Give the bare block cipher: the tweak that makes it XEX is ours to add."""
    return Cipher(algorithms.AES128(key), modes.ECB())  # noqa: S305 - not a choice: the hardware is like that


def _combinations(constants: Sequence[bytes]) -> Words:
    """Tabulate the XOR of every subset of the constants: row n holds the subset whose bits are set in n."""
    table = np.zeros((1, 2), np.uint64)
    for constant in constants:
        table = np.concatenate([table, table ^ np.frombuffer(constant, np.uint64)])
    return table


class MemoryCipher:
    """
    The cipher of one guest, over any number of whole pages at once.

    It keeps buffers between calls, so one instance serves one thread.

    Raises:
        ValueError: the key is not 16 bytes long.

    """

    def __init__(self, key: bytes) -> None:
        if len(key) != BLOCK_SIZE:
            raise ValueError(f"the memory key has 16 bytes, not {len(key)}")
        aes = _aes(key)
        self._encryptor = aes.encryptor()
        self._decryptor = aes.decryptor()
        self._constants = self.tweak_constants(key)
        self._in_page = _combinations(self._constants[_FIRST_BIT:_PAGE_BIT]).reshape(_WORDS)
        self._page_tables: list[Words] = []
        self._tweak = np.empty((_CHUNK, _WORDS), np.uint64)
        self._mixed = np.empty((_CHUNK, _WORDS), np.uint64)
        # update_into asks for room for one block less a byte behind the result.
        self._result = np.empty(_CHUNK * PAGE_SIZE + BLOCK_SIZE, np.uint8)
        self._mixed_bytes = self._mixed.view(np.uint8).reshape(-1).data
        self._result_bytes = self._result.data

    @staticmethod
    def tweak_constants(key: bytes) -> list[bytes]:
        """Derive t_0 to t_51: t_i is the AES-128 encryption of a label and i, as two little-endian bytes."""
        labels = b"".join(_LABEL + bit.to_bytes(2, "little") for bit in range(_ADDRESS_BITS))
        stream = _aes(key).encryptor().update(labels)
        return [stream[at : at + BLOCK_SIZE] for at in range(0, len(stream), BLOCK_SIZE)]

    def encrypt(self, pages: Pages, gpas: Words, out: Pages | None = None) -> Pages:
        """Encrypt pages, shape (n, 4096), that lie at these n page addresses; into `out` if given, and return it."""
        return self._run(self._encryptor, pages, gpas, out)

    def decrypt(self, pages: Pages, gpas: Words, out: Pages | None = None) -> Pages:
        """Decrypt pages, shape (n, 4096), that lie at these n page addresses; into `out` if given, and return it."""
        return self._run(self._decryptor, pages, gpas, out)

    def page_tweaks(self, gpas: Words) -> Words:
        """Compute T of these page addresses: the part that all blocks of a page share, as rows of two words."""
        tweaks = np.zeros((len(gpas), 2), np.uint64)
        numbers = gpas >> np.uint64(_PAGE_BIT)
        level = 0
        while numbers.any():
            tweaks ^= self._page_table(level)[numbers & np.uint64((1 << _TABLE_BITS) - 1)]
            numbers = numbers >> np.uint64(_TABLE_BITS)
            level += 1
        return tweaks

    def _page_table(self, level: int) -> Words:
        """Give the look-up table for the level-th group of page-address bits, made when first needed."""
        while len(self._page_tables) <= level:
            first = _PAGE_BIT + len(self._page_tables) * _TABLE_BITS
            self._page_tables.append(_combinations(self._constants[first : first + _TABLE_BITS]))
        return self._page_tables[level]

    def _run(self, context: CipherContext, pages: Pages, gpas: Words, out: Pages | None) -> Pages:
        if out is None:
            out = np.empty(pages.shape, np.uint8)
        # One complex number is as long as one block: numpy copies it along a page faster than two words.
        tweaks = self.page_tweaks(gpas).view(np.complex128)
        source = pages.view(np.uint64)
        target = out.view(np.uint64)
        for first in range(0, len(gpas), _CHUNK):
            count = min(_CHUNK, len(gpas) - first)
            chunk = slice(first, first + count)
            tweak = self._tweak[:count]
            tweak.view(np.complex128)[:] = tweaks[chunk]
            np.bitwise_xor(tweak, self._in_page, out=tweak)
            mixed = self._mixed[:count]
            np.bitwise_xor(source[chunk], tweak, out=mixed)
            length = count * PAGE_SIZE
            context.update_into(self._mixed_bytes[:length], self._result_bytes)
            result = self._result[:length].view(np.uint64).reshape(count, _WORDS)
            np.bitwise_xor(result, tweak, out=target[chunk])
        return out
