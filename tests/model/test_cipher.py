"""The memory cipher against its formula, block by block."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.model.cipher import BLOCK_SIZE, MemoryCipher
from sevconf.vocabulary import PAGE_SIZE

KEY = bytes(range(16))
AES = Cipher(algorithms.AES128(KEY), modes.ECB())  # noqa: S305 - the bare block cipher is what XEX is made of

page_numbers = st.integers(0, (1 << 40) - 1)


def xor(left: bytes, right: bytes) -> bytes:
    """XOR two byte strings of one length."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def tweak(address: int) -> bytes:
    """Compute T(pa) bit by bit."""
    result = bytes(BLOCK_SIZE)
    for bit in range(4, 52):
        if address >> bit & 1:
            constant = AES.encryptor().update(b"tweak constant" + bit.to_bytes(2, "little"))
            result = xor(result, constant)
    return result


def encrypted_block(plain: bytes, address: int) -> bytes:
    """Encrypt one block by the formula."""
    return xor(AES.encryptor().update(xor(plain, tweak(address))), tweak(address))


def as_pages(data: bytes | bytearray) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Give bytes the shape that the cipher takes."""
    return np.frombuffer(data, np.uint8).reshape(-1, PAGE_SIZE)


def gpas_of(numbers: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Give the addresses of pages by number."""
    return np.array(numbers, np.uint64) << np.uint64(12)


@settings(deadline=None, max_examples=50)
@given(number=page_numbers, block=st.integers(0, 255), plain=st.binary(min_size=16, max_size=16))
def test_a_block_is_encrypted_by_the_formula(number: int, block: int, plain: bytes) -> None:
    """Each block is AES(P xor T(pa)) xor T(pa), wherever it lies in 52 bits of address."""
    page = bytearray(PAGE_SIZE)
    page[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE] = plain
    address = number * PAGE_SIZE + block * BLOCK_SIZE
    result = MemoryCipher(KEY).encrypt(as_pages(page), gpas_of([number])).tobytes()
    assert result[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE] == encrypted_block(plain, address)


@settings(deadline=None, max_examples=30)
@given(numbers=st.lists(page_numbers, min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_decryption_undoes_encryption(numbers: list[int], seed: int) -> None:
    """What was encrypted for an address is had back by decrypting it for the same address."""
    cipher = MemoryCipher(KEY)
    plain = np.random.default_rng(seed).integers(0, 256, (len(numbers), PAGE_SIZE), np.uint8)
    assert np.array_equal(cipher.decrypt(cipher.encrypt(plain, gpas_of(numbers)), gpas_of(numbers)), plain)


def test_many_pages_are_encrypted_as_one_by_one() -> None:
    """How many pages go into a call makes no difference to any of them."""
    cipher = MemoryCipher(KEY)
    numbers = [*range(100, 350), *range(5000, 5100, 7), 1 << 39]
    plain = np.random.default_rng(7).integers(0, 256, (len(numbers), PAGE_SIZE), np.uint8)
    together = cipher.encrypt(plain, gpas_of(numbers))
    apart = [cipher.encrypt(plain[at : at + 1], gpas_of([number]))[0] for at, number in enumerate(numbers)]
    assert np.array_equal(together, np.stack(apart))


def test_the_result_may_go_into_a_given_array() -> None:
    """With an output array the result is written there, and that array is returned."""
    plain = np.ones((2, PAGE_SIZE), np.uint8)
    out = np.zeros((2, PAGE_SIZE), np.uint8)
    assert MemoryCipher(KEY).encrypt(plain, gpas_of([1, 2]), out) is out
    assert np.array_equal(out, MemoryCipher(KEY).encrypt(plain, gpas_of([1, 2])))


def test_equal_plaintext_looks_different_at_each_address() -> None:
    """No two blocks of equal pages have the same ciphertext."""
    result = MemoryCipher(KEY).encrypt(np.zeros((64, PAGE_SIZE), np.uint8), gpas_of(list(range(64)))).tobytes()
    assert len({result[at : at + BLOCK_SIZE] for at in range(0, len(result), BLOCK_SIZE)}) == 64 * 256


def test_one_bit_of_plaintext_changes_its_whole_block_and_no_other() -> None:
    """The grain of the cipher is the 16-byte block."""
    cipher = MemoryCipher(KEY)
    plain = np.zeros((1, PAGE_SIZE), np.uint8)
    before = cipher.encrypt(plain, gpas_of([3]))
    plain[0, 40] = 1
    changed = np.flatnonzero(cipher.encrypt(plain, gpas_of([3])) != before)
    assert set(changed // BLOCK_SIZE) == {2}
    assert len(changed) > 8


def test_another_key_gives_other_ciphertext() -> None:
    """Two guests with equal memory have different DRAM."""
    plain = np.zeros((1, PAGE_SIZE), np.uint8)
    results = [MemoryCipher(key).encrypt(plain, gpas_of([0])).tobytes() for key in (KEY, bytes(16))]
    assert results[0] != results[1]


def test_the_tweak_can_be_taken_away() -> None:
    """A cipher with zero constants is plain AES, block by block: the seam for a machine with that bug."""

    class Untweaked(MemoryCipher):
        @staticmethod
        def tweak_constants(key: bytes) -> list[bytes]:
            return [bytes(len(key))] * 52

    result = Untweaked(KEY).encrypt(np.zeros((2, PAGE_SIZE), np.uint8), gpas_of([1, 2])).tobytes()
    assert result == AES.encryptor().update(bytes(2 * PAGE_SIZE))


def test_a_key_of_another_length_is_refused() -> None:
    """SEV's keys have 128 bits."""
    with pytest.raises(ValueError, match=r"^the memory key has 16 bytes, not 32$"):
        MemoryCipher(bytes(32))
