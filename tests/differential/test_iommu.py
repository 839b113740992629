"""The real IoMmuDxe and the reference driver without its corrections do the same in random valid stories."""

import sys
from statistics import median

import pytest

from sevconf.model.iommu.sev import Info
from sevconf.vocabulary import CBit, DmaOperation, Gva

from .hunt import binary, hunt
from .worlds import Uncorrected

#: Stories that a planted bug has to be found in.
ENOUGH = 100


class LosesLastByte(Uncorrected):
    """A planted bug: the last byte that a device wrote does not reach the caller, if there are several."""

    def _deliver(self, info: Info) -> None:
        length = max(1, info.length - 1)
        self.guest.write(info.host, self.guest.read(info.opened, length))


class ForgetsLastPage(Uncorrected):
    """A planted bug: of a common buffer of several pages the last one stays shared."""

    def _close_common(self, info: Info) -> None:
        super()._close_common(info)
        if info.pages > 1:
            self._set_cbit(info.addresses[-1], 1, CBit.CLEAR)


class LeavesBounce(Uncorrected):
    """A planted bug: a bounce of BusMasterRead is not cleaned at exit."""

    def _seal(self, start: Gva, pages: int) -> None:
        if self.exiting and any(i.opened == start and i.operation is DmaOperation.READ for i in self.live.values()):
            self._set_cbit(start, pages, CBit.SET)
            return
        super()._seal(start, pages)


def test_the_real_driver_and_the_model_do_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred stories without a difference."""
    with binary() as real:
        tally = hunt(real, Uncorrected, examples=100, start=1)
    with capsys.disabled():
        sys.stdout.write(f"\n{tally.told()}\n")
    assert len(tally.lengths) >= 100
    assert median(tally.lengths) >= 20
    assert len(tally.acts) == 9


@pytest.mark.parametrize("bug", [LosesLastByte, ForgetsLastPage, LeavesBounce])
def test_a_planted_bug_is_found(bug: type[Uncorrected]) -> None:
    """A bug of the model's shows within a hundred stories."""
    with binary() as real, pytest.raises(AssertionError):
        hunt(real, bug, examples=ENOUGH, start=1, shrink=False)


def test_a_seed_repeats() -> None:
    """The same seed tries the same stories."""
    one, other = (hunt(Uncorrected, Uncorrected, examples=10, start=3) for _ in range(2))
    assert (one.acts, one.lengths) == (other.acts, other.lengths)
