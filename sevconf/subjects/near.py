"""Names that may have been meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a hint that names what may have been meant, or another one."""
    matches = get_close_matches(word, tuple(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(matches)}?" if matches else otherwise
