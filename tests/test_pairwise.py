"""The table of Map's boundaries is what the pairwise model makes of it."""

from itertools import combinations, product
from pathlib import Path

from tests.pairwise import COLUMNS, rows, table

FEATURE = Path(__file__).parents[1] / "features" / "dma_mapping" / "boundaries.feature"


def test_the_feature_holds_the_table() -> None:
    """The committed rows are those that the model gives today (else: `python -m tests.pairwise`)."""
    assert FEATURE.read_text(encoding="utf-8").endswith(f"      Examples:\n{table()}")


def test_every_pair_is_covered() -> None:
    """Each two values of two columns stand together in a row, but for those that cannot be."""
    names = tuple(COLUMNS)
    impossible = {("nowhere", "the other")}
    for first, second in combinations(range(len(names)), 2):
        wanted = set(product(COLUMNS[names[first]], COLUMNS[names[second]])) - impossible
        assert wanted <= {(row[first], row[second]) for row in rows()}, f"{names[first]} x {names[second]}"
