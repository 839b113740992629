#!/usr/bin/env python3
"""
Random sequences on the reference and on a real core: what can be observed must agree.

The reference has the core's known ways (`sevconf/differential/ways.py`). The seed fixes all sequences. A difference is
cut down to the acts that it needs, printed, and makes exit code 1. `--planted` gives the reference a bug, to show that
it would be found.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from statistics import median

from hypothesis import HealthCheck, Phase, given, seed, settings

from sevconf.contract import Machine, Target
from sevconf.differential.acts import Player, Step, observed
from sevconf.differential.ways import WAYS
from sevconf.errors import ForeignFailure, SevconfError
from sevconf.model.event import Event, Events
from sevconf.subjects.reference import ReferenceTarget
from sevconf.subjects.registry import resolve
from sevconf.verdict import ExitCode
from sevconf.vocabulary import MachineKind

from sequences import sequences  # isort: skip


class Difference(Exception):
    """A sequence on which the two disagree."""

    def __init__(self, sequence: tuple[Step, ...]) -> None:
        super().__init__("the two disagree")
        self.sequence = sequence


class Duel:
    """Plays sequences on two targets and counts."""

    def __init__(self, reference: Target, core: Target) -> None:
        self.reference, self.core = reference, core
        self.lengths: list[int] = []
        self.kinds: Counter[str] = Counter()
        self.exits = 0

    def outcome(self, target: Target, sequence: Sequence[Step]) -> tuple[tuple[str, ...], Player]:
        """Play one sequence on a fresh machine."""
        machine: Machine = target.open(MachineKind.NONE, 0)
        player = Player(machine)
        end: tuple[str, ...] = ()
        try:
            player.play(sequence)
        except ForeignFailure as failure:
            end = (f"{failure.culprit}: {failure.how.splitlines()[0]}",)
        finally:
            machine.close()
        return (*observed(machine.trace), *end), player

    def both(self, sequence: Sequence[Step]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what both showed."""
        return self.outcome(self.reference, sequence)[0], self.outcome(self.core, sequence)[0]

    def play(self, sequence: tuple[Step, ...]) -> None:
        """Play it on both, count it, and compare."""
        expected, player = self.outcome(self.reference, sequence)
        self.lengths.append(player.played)
        self.exits += player.reached_exit
        self.kinds.update(step.kind for step in sequence)
        if expected != self.outcome(self.core, sequence)[0]:
            raise Difference(sequence)

    def shortened(self, sequence: tuple[Step, ...]) -> tuple[Step, ...]:
        """Leave runs of acts out, and then acts of scripts, as long as the two still disagree."""
        for size in (16, 8, 4, 2, 1):
            for start in range(len(sequence) - size, -1, -size):
                sequence = self._if_differs(sequence[:start] + sequence[start + size :], sequence)
        for index, step in enumerate(sequence):
            if step.spec is not None and step.spec.script:
                less = replace(step, spec=replace(step.spec, script=()))
                sequence = self._if_differs((*sequence[:index], less, *sequence[index + 1 :]), sequence)
        return sequence

    def _if_differs(self, shorter: tuple[Step, ...], sequence: tuple[Step, ...]) -> tuple[Step, ...]:
        one, other = self.both(shorter)
        return sequence if one == other else shorter


def _lifo(parts_events: type[Events]) -> type[Events]:
    class LastInFirstOut(parts_events):  # type: ignore[valid-type,misc]
        def _enqueue(self, event: Event) -> None:
            super()._enqueue(event)
            if event.queued and event.notify_tpl is not None:
                self._queues[event.notify_tpl].rotate(1)

    return LastInFirstOut


def fight(
    core: str,
    count: int,
    number: int,
    *,
    seconds: float = float("inf"),
    planted: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Play `count` sequences, for so many seconds at most; return an exit code."""
    parts = replace(WAYS[core], events=_lifo(WAYS[core].events)) if planted else WAYS[core]
    name = f"the reference with the ways of {core}{' and a planted bug' if planted else ''}"
    target = resolve(core)
    duel = Duel(ReferenceTarget(name, parts), target)

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(sequence=sequences())
    def run(sequence: tuple[Step, ...]) -> None:
        if time.monotonic() < until:
            duel.play(sequence)

    began = time.monotonic()
    until = began + seconds
    try:
        run()
    except Difference as difference:
        say(f"{core}: sequence {len(duel.lengths)} of seed {number} differs")
        short = duel.shortened(difference.sequence)
        say("\n".join(f"  {step}" for step in short))
        for one, other in zip_longest(*duel.both(short), fillvalue="-"):
            say(f"  {'  ' if one == other else '! '}{one:<48} {other}")
        return ExitCode.NONCONFORMING
    finally:
        say(_summary(core, duel, number, time.monotonic() - began))
        target.close()
    return ExitCode.CONFORMING


def _summary(core: str, duel: Duel, number: int, seconds: float) -> str:
    lengths = Counter(length // 10 * 10 for length in duel.lengths)
    acts = ", ".join(f"{kind} {count}" for kind, count in duel.kinds.most_common())
    histogram = ", ".join(f"{low}-{low + 9}: {count}" for low, count in sorted(lengths.items()))
    return (
        f"{core}: {len(duel.lengths)} sequences of seed {number} in {seconds:.0f} s; "
        f"median {median(duel.lengths or [0]):g} acts ({histogram}); "
        f"{duel.exits} reach the end of boot services\n  acts: {acts}"
    )


def main() -> int:
    """Play."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", action="append", choices=sorted(WAYS), help="default: all")
    parser.add_argument("--count", type=int, default=50, help="sequences (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all sequences (default: 0)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time for each core (default: no limit)")
    parser.add_argument("--planted", action="store_true", help="give the reference a bug, which must be found")
    options = parser.parse_args()
    try:
        codes = [
            fight(core, options.count, options.seed, seconds=options.seconds, planted=options.planted)
            for core in options.core or WAYS
        ]
    except SevconfError as error:
        sys.stderr.write(f"error: {error}\n")
        return ExitCode.ERROR
    return (0 if all(codes) else 1) if options.planted else max(codes)


if __name__ == "__main__":
    sys.exit(main())
