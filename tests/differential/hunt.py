"""Random stories of DMA, lived through by two IOMMU drivers; a difference is shrunk to the shortest one."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NoReturn

from hypothesis import HealthCheck, Phase, given, seed, settings
from tabulate import tabulate

from sevconf.model.parts import IommuFactory
from sevconf.subjects.binary.iommu import BinaryIommu
from sevconf.subjects.binary.target import unpack
from sevconf.subjects.choices import Choices

from .acts import Act, stories
from .worlds import Comparison, World

OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
#: The real driver, by the name of its target.
REAL = f"{OVMF}#IoMmuDxe"


class _Judge:
    """A binary that fails in a valid story differs from the model, which does not."""

    def fail(self, culprit: str, how: str) -> NoReturn:
        """Fail on behalf of a binary."""
        raise AssertionError(f"{culprit} {how}")


@contextmanager
def binary(name: str = REAL) -> Iterator[IommuFactory]:
    """Lend a maker of a binary IOMMU driver, in this process."""
    unpacked = unpack(name, Choices())
    try:
        yield lambda core, guest, ledger, **_: BinaryIommu(unpacked.package, core, guest, ledger, judge=_Judge())
    finally:
        unpacked.close()


@dataclass
class Tally:
    """What was tried: how often each act was done, and how long the stories were."""

    seed: int
    acts: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)

    def count(self, story: tuple[Act, ...]) -> None:
        """Count a story."""
        self.lengths.append(len(story))
        self.acts.update(_name(act) for act in story)

    def told(self) -> str:
        """Return seed, histogram, and the median of lengths."""
        head = f"seed {self.seed}: {len(self.lengths)} stories, median {median(self.lengths):g} acts"
        return f"{head}\n{tabulate(sorted(self.acts.items()), ('act', 'times'))}"


def _name(act: Act) -> str:
    operation = getattr(act, "operation", None)
    return type(act).__name__ + (f" {operation.value}" if operation else "")


def hunt(left: IommuFactory, right: IommuFactory, *, examples: int, start: int, shrink: bool = True) -> Tally:
    """
    Let both live through that many stories, drawn from a seed; returns what was tried.

    Raises:
        AssertionError: they differ; its notes tell the shortest story that shows it.

    """
    tally = Tally(start)
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)

    @seed(start)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(stories())
    def live(story: tuple[Act, ...]) -> None:
        tally.count(story)
        Comparison(World(left), World(right)).play(story)

    run: Callable[[], None] = live
    try:
        run()
    except AssertionError as difference:
        difference.add_note(tally.told())
        raise
    return tally
