"""
One mutant on trial, in a process forked for it: the room that has it is loaded anew, then rows run until one tells.

A row is asked of a target: a conforming one must come to what it came to before, a faulty one must still be caught by
each rule that catches it.
"""

import importlib
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import pytest

from sevconf import plugin
from sevconf.contract import Target
from sevconf.reporting.record import RowRecord
from sevconf.verdict import Verdict

#: Seconds of processor time that loading and each row may take: many times what they take without a mutant.
PATIENCE = 3.0
#: Bytes of memory beyond the start.
MEMORY = 1 << 30
#: Verdicts of a row that blames somebody.
_BLAMING = {Verdict.NONCONFORMING, Verdict.TARGET_FAILED}


@dataclass(frozen=True, slots=True)
class Ask:
    """
    Rows of one target, asked one after the other.

    Without `rule` each of them has to come out as `expected` says. With it, a fault is on trial: the first row that
    blames the rule shows that it is still caught, and one must; none may blame a rule other than the `allowed` ones.
    """

    target: str
    rows: tuple[str, ...]
    expected: tuple[str, ...] = ()
    rule: str = ""
    allowed: frozenset[str] = frozenset()


def outcome(record: RowRecord) -> str:
    """Say what a row came to: its verdict, and the rules whose monitors blame somebody."""
    return " ".join([record.verdict.value, *sorted({breach.rule for breach in record.breaches})])


def blames(record: RowRecord, rule: str) -> bool:
    """Tell whether a row blames somebody under that rule."""
    own = record.id.startswith(f"{rule}.") and record.verdict in _BLAMING
    return own or any(breach.rule == rule for breach in record.breaches)


class Rows:
    """Runs rows of a collected session, on any target."""

    def __init__(self, session: pytest.Session) -> None:
        self.items = {dict(item.user_properties)[plugin.ROW]: item for item in session.items}
        self._config = session.config
        self._setting = session.config.stash[plugin.SETTING]
        self._own = {row: list(item.user_properties) for row, item in self.items.items()}
        self._targets: dict[str, Target] = {}

    def forget(self) -> None:
        """Let go of targets made of what was loaded before."""
        self._targets.clear()

    def run(self, target: str, row: str) -> RowRecord:
        """Run one."""
        if target not in self._targets:
            self._targets[target] = importlib.import_module("sevconf.subjects.registry").resolve(target)
        self._config.stash[plugin.SETTING] = replace(self._setting, target=self._targets[target])
        item = self.items[row]
        item.user_properties[:] = self._own[row]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return self._config.stash[plugin.RECORDS].pop(row)


class _Mutated(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:  # noqa: ARG002 -- the finder's shape
        if fullname != self.name:
            return None
        locations = [os.path.dirname(self.path)] if self.is_package(fullname) else None  # noqa: PTH120
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=self, submodule_search_locations=locations
        )

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 -- the loader's shape
        code: CodeType = compile(self._source, self.path, "exec")
        return code


def load(module: str, path: str, source: str) -> None:
    """Load the room of a module anew with that source, and all that is built on it."""
    room = ".".join(module.split(".")[:2])
    gone = (room, "sevconf.subjects", "sevconf.faults")
    old = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(gone)}
    sys.meta_path.insert(0, cast("Any", _Mutated(module, path, source)))
    for name in old:
        importlib.import_module(name)
    _rebind(old)


def _rebind(old: dict[str, ModuleType]) -> None:
    """Have modules that stay loaded use the new functions and classes, and tables of them."""
    anew: dict[int, object] = {}
    for name, module in old.items():
        for word, value in vars(module).items():
            now = vars(sys.modules[name]).get(word)
            if isinstance(value, FunctionType | type | tuple) and now is not value:
                anew[id(value)] = now
    for module in [module for name, module in sys.modules.items() if name not in old]:
        if module is not None and "sevconf" in module.__name__.split(".")[0]:  # steps are `_sevconf_steps_…` here
            for word, value in list(vars(module).items()):
                if id(value) in anew:
                    setattr(module, word, anew[id(value)])


def judge(rows: Rows, module: str, path: str, source: str, asks: Sequence[Ask]) -> dict[str, str]:
    """Return what tells the mutant: target, row and how; nothing if it survives."""
    _hurry()
    try:
        load(module, path, source)
    except Exception as error:  # noqa: BLE001 -- whatever a mutant raises
        return {"by": "loading", "how": type(error).__name__}
    rows.forget()
    for ask in asks:
        caught = not ask.rule
        for place, row in enumerate(ask.rows):
            _hurry()
            record = rows.run(ask.target, row)
            if ask.rule:
                wrongly = {breach.rule for breach in record.breaches} - ask.allowed
                if wrongly:
                    return {"by": f"{ask.target} {row}", "how": f"blames {min(wrongly)} too"}
                caught = blames(record, ask.rule)
                if caught:
                    break
            elif (found := outcome(record)) != ask.expected[place]:
                return {"by": f"{ask.target} {row}", "how": found}
        if not caught:
            return {"by": f"{ask.target} {ask.rule}", "how": "not caught any more"}
    return {}


def _hurry() -> None:
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)


def tried(rows: Rows, module: str, path: str, source: str, asks: Sequence[Ask]) -> dict[str, str]:
    """Fork, judge there, and return what comes back; a process that dies or hangs tells too."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            size = int(open("/proc/self/statm", encoding="ascii").read().split()[0])  # noqa: PTH123, SIM115
            most = size * resource.getpagesize() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.write(writing, json.dumps(judge(rows, module, path, source, asks)).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGPROF:
        return {"by": "time", "how": f"hangs past {PATIENCE:g} s"}
    if code or not said:
        return {"by": "end", "how": f"the process ended with {code}"}
    found: dict[str, str] = json.loads(said)
    return found
