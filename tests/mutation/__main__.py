"""
Mutation testing of model and monitors by the feature suite alone; picks up where it stopped.

    python -m tests.mutation --sample 700 --seed 1 --report reports/mutation.md

`--quick` asks fewer machines, so that fewer mutants are killed: a first look, with a sample of a few dozen.

Exit code 1 if the score is below what is asked for beyond doubt (`--least`), or a survivor is told nowhere (`--told`).
State is kept in build/mutation for as long as sources, features and steps are the same.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

from sevconf.suite import load
from sevconf.suite.locate import suite_root
from tests.mutation import session
from tests.mutation.mutants import ROOT, Mutant, mutants, sample, text, told
from tests.mutation.report import Found, Report, judged
from tests.mutation.trial import Rows, tried

#: Where progress is kept.
STATE = ROOT / "build" / "mutation"
#: What decides what becomes of a mutant.
RUN = (*(f"sevconf/{room}" for room in ("model", "monitors", "faults", "trace", "contract")), "features", "steps")


def state() -> str:
    """Return the hash of what is mutated and of what runs."""
    whole = hashlib.sha256()
    for folder in RUN:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".feature"}:
                whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:16]


def _baseline(rows: Rows, folder: Path, *, quick: bool) -> session.Baseline:
    path = folder / "baseline.json"
    if not path.exists():
        session.save(session.record(rows, load(suite_root()), quick=quick), path)
    return session.read(path)


def _try(rows: Rows, baseline: session.Baseline, mutant: Mutant) -> dict[str, str] | None:
    """Return what tells a mutant, nothing if it survives, None if it is no other program."""
    source = text(mutant)
    if source is None:
        return None
    module = mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    asks = baseline.asks(mutant)
    found = tried(rows, module, str(ROOT / mutant.path), source, asks)
    return {"told": told(mutant, source), "asked": str(sum(len(ask.rows) for ask in asks)), **found}


def main() -> int:
    """Try what is left of the sample, and say what all of it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, metavar="N", help="mutants to draw (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--report", type=Path, help="write the report there")
    parser.add_argument("--least", type=float, default=0.85, help="score asked for (default: 0.85)")
    parser.add_argument("--told", action="store_true", help="fail if a survivor has no group in judged.toml")
    parser.add_argument("--quick", action="store_true", help="ask the reference alone, and one faulty machine a rule")
    options = parser.parse_args()
    folder = STATE / (state() + "-quick" * options.quick)
    folder.mkdir(parents=True, exist_ok=True)
    every = mutants()
    drawn = sample(options.sample, options.seed, every)
    done: dict[str, dict[str, str] | None] = {}
    kept = folder / "done.jsonl"
    if kept.exists():
        lines = kept.read_text(encoding="utf-8").splitlines(keepends=True)
        done = dict(json.loads(line) for line in lines if line.endswith("\n"))
    left = [mutant for mutant in drawn if mutant.id not in done]
    sys.stderr.write(f"{len(drawn)} of {len(every)} mutants, {len(drawn) - len(left)} tried already\n")

    def work(rows: Rows) -> None:
        baseline = _baseline(rows, folder, quick=options.quick)
        began = time.monotonic()
        with kept.open("a", encoding="utf-8") as out:
            for place, mutant in enumerate(left, 1):
                done[mutant.id] = _try(rows, baseline, mutant)
                out.write(json.dumps([mutant.id, done[mutant.id]]) + "\n")
                out.flush()
                if not place % 100:
                    sys.stderr.write(f"{place} of {len(left)}, {time.monotonic() - began:.0f} s\n")

    if left:
        session.lend(work)
    found = [Found(mutant, answer) for mutant in drawn if (answer := done[mutant.id]) is not None]
    report = Report(tuple(found), len(every), len(drawn), options.seed, judged(), folder.name)
    if options.report:
        options.report.write_text(report.text(), encoding="utf-8")
    sys.stdout.write(report.summary())
    untold = report.untold()
    for one in untold:
        sys.stdout.write(f"told nowhere: {one.answer['told']}\n")
    return 1 if report.above() < options.least or (options.told and untold) else 0


if __name__ == "__main__":
    sys.exit(main())
