"""
Going through all machines: in this process or in several, and on from where it stopped.

What is found is kept as it comes, under the hash of all that is run; after a change everything is tried anew.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sevconf.faults import CATALOGUE
from sevconf.reporting.files import write
from sevconf.sensitivity.trial import SEED, Finding, answers, legal, rules_for, tried
from sevconf.suite import Catalogue, load
from sevconf.suite.locate import suite_root
from sevconf.vocabulary import Basis, Party

#: Targets that conform in another way than the reference: they answer unspecified rules otherwise.
LEGAL = ("shuffled", "sev-pool", "era:edk2-202211")
_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Job:
    """One machine to be tried, by a choice of rules; without rules it conforms, and is asked for its answers."""

    target: str
    rules: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is called where findings are kept."""
        return f"{self.target} {hashlib.sha256(' '.join(self.rules).encode()).hexdigest()[:16]}"


def jobs(suite: Catalogue, rules: Iterable[str], faults: Iterable[str], *, near: bool) -> tuple[Job, ...]:
    """Return all that there is to do, the conforming targets last; machines that no chosen rule judges are left out."""
    chosen = frozenset(rules)
    own = [Job(name, tuple(sorted(rules_for(suite, CATALOGUE[name], chosen, near=near)))) for name in faults]
    asked = any(suite.rules[rule].basis is Basis.UNSPECIFIED for rule in chosen)
    return (*(job for job in own if job.rules), *(Job(name) for name in LEGAL if asked))


def findings(work: Iterable[Job], workers: int, kept: Path | None, done: Callable[[], None]) -> Iterator[Finding]:
    """
    Do the work in so many processes, 0 for this one, and yield what is found, in the order of the work.

    `kept` is a file to keep findings in, and to take them from; `done` is called when one more is there.

    Raises:
        SevconfError: a machine could not be judged to the end.

    """
    work = tuple(work)
    state = _state() if kept is not None else ""
    found = _kept(kept, state)
    left = [job for job in work if job.key not in found]
    for _ in range(len(work) - len(left)):
        done()
    for key, finding in _spread(left, workers):
        found[key] = finding
        if kept is not None:
            text = {"state": state, "findings": {name: asdict(each) for name, each in found.items()}}
            write(kept, json.dumps(text, indent=1) + "\n")
        done()
    yield from (found[job.key] for job in work)


def _spread(work: list[Job], workers: int) -> Iterator[tuple[str, Finding]]:
    if not workers:
        yield from ((job.key, _do(job)) for job in work)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(_do, job): job.key for job in work}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


@cache
def _suite() -> Catalogue:
    return load(suite_root())


@cache
def _reference(parties: frozenset[Party]) -> dict[str, str]:
    return answers(_suite(), "reference", parties)


def _do(job: Job) -> Finding:
    suite = _suite()
    if not job.rules:
        return legal(suite, job.target, _reference(frozenset(Party)))
    return tried(suite, job.target, frozenset(job.rules), _reference(frozenset({CATALOGUE[job.target].party})))


def _kept(path: Path | None, state: str) -> dict[str, Finding]:
    """Return what was found already of the same source; whatever else lies there is no use."""
    if path is None:
        return {}
    try:
        text: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if text["state"] != state:
            return {}
        return {key: Finding(**_tuples(fields)) for key, fields in text["findings"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _state() -> str:
    """Return the hash of all that is run: the package, and features and steps, wherever they are."""
    text = hashlib.sha256(f"seed {SEED} suite {_suite().hash}".encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        text.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return text.hexdigest()
