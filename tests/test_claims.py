"""The closed list of claims."""

from sevconf.claims import CLAIMS, NOT_TESTABLE


def test_claims_are_the_closed_list() -> None:
    """T01 to T52 and S01 to S38 are there, in order."""
    assert list(CLAIMS) == [f"T{n:02}" for n in range(1, 53)] + [f"S{n:02}" for n in range(1, 39)]


def test_claims_are_sentences_of_their_own() -> None:
    """Every claim is one line, and no two are the same."""
    assert all(sentence and "\n" not in sentence and len(sentence) <= 110 for sentence in CLAIMS.values())
    assert len(set(CLAIMS.values())) == len(CLAIMS)


def test_untestable_claims_have_reasons() -> None:
    """Only claims of the list are not testable, and each says why."""
    assert NOT_TESTABLE.keys() <= CLAIMS.keys()
    assert all(NOT_TESTABLE.values())
