"""The pairwise model of Map's boundaries, and the table that it makes: `python -m tests.pairwise` prints it."""

from collections.abc import Sequence

from allpairspy import AllPairs

#: The columns of DMA-14.1, each with its values.
COLUMNS: dict[str, tuple[str, ...]] = {
    "operation": ("BusMasterRead", "BusMasterWrite", "BusMasterCommonBuffer"),
    "bytes": ("1", "100", "4095", "4096", "4097", "12288"),
    "offset": ("0", "1", "16", "4095"),
    "neighbour": ("nowhere", "right before it", "right behind it"),
    "first": ("it", "the other"),
}
_NEIGHBOUR, _FIRST = 3, 4


def _possible(row: Sequence[str]) -> bool:
    """Tell whether a row, or the beginning of one, can be: without a neighbour there is no other to unmap first."""
    return len(row) <= _FIRST or row[_NEIGHBOUR] != "nowhere" or row[_FIRST] == "it"


def rows() -> list[tuple[str, ...]]:
    """Return rows that hold every pair of values of any two columns, as far as it is possible."""
    return [tuple(row) for row in AllPairs([list(values) for values in COLUMNS.values()], filter_func=_possible)]


def table() -> str:
    """Return the rows as a Gherkin table, as they stand in the feature."""
    lines = [tuple(COLUMNS), *rows()]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "".join(
        f"        | {' | '.join(word.ljust(width) for word, width in zip(line, widths, strict=True))} |\n"
        for line in lines
    )


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 -- that is what it is for
