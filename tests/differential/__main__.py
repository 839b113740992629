"""
Random stories of DMA on a real IOMMU driver and on the reference driver without its corrections: they must do the same.

Prints the seed and what was tried. Exit code 1 and the shortest story that shows it, if there is a difference.
"""

import argparse
import random
import sys
import traceback

import click

from .hunt import REAL, binary, hunt
from .worlds import Uncorrected


def main() -> int:
    """Hunt, and say what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default=REAL, help="the real driver (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=1000, help="stories (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="seed of all randomness (default: a fresh one)")
    options = parser.parse_args()
    start = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    with binary(options.target) as real:
        try:
            tally = hunt(real, Uncorrected, examples=options.examples, start=start)
        except AssertionError as difference:
            click.echo("".join(traceback.format_exception_only(difference)))
            return 1
    click.echo(f"{tally.told()}\nno difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
