"""
Sentences and their definitions: each sentence of a feature has exactly one.

Definitions are pytest-bdd's own, as the modules in `steps/` register them. The modules are loaded under a private
package name, because in a checkout and in an installation they lie in different places; so they import each other only
relatively (`from .values import …`).
"""

import hashlib
import importlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytest_bdd.parsers import StepParser
from pytest_bdd.steps import StepFunctionContext, StepNamePrefix, step_function_context_registry

from sevconf.errors import SuiteError
from sevconf.suite.catalogue import Catalogue, refuse
from sevconf.suite.check import Problem
from sevconf.suite.locate import step_files

#: The fixture name that all step definitions share.
DEFINITION = f"{StepNamePrefix.step_def.value}_sevconf"


@dataclass(frozen=True, slots=True)
class Definition:
    """One step definition: what it says, and where."""

    type: str
    pattern: str
    module: str
    function: str
    context: StepFunctionContext

    def matches(self, type_: str, sentence: str) -> bool:
        """Tell whether that sentence is this one."""
        return self.type in ("", type_) and self.context.parser.is_matching(sentence)

    def __str__(self) -> str:
        return f"{self.type.capitalize() or 'Step'} '{self.pattern}' ({self.module}.{self.function})"


def load_steps(root: Path) -> tuple[ModuleType, ...]:
    """
    Import the step modules of the suite in `root`.

    Raises:
        SuiteError: one of them cannot be imported.

    """
    package = f"_sevconf_steps_{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = [str(root / "steps")]
        sys.modules[package] = parent
    modules = []
    for path in step_files(root):
        try:
            modules.append(importlib.import_module(f"{package}.{path.stem}"))
        except Exception as error:
            raise SuiteError(f"steps/{path.name}: cannot be imported: {type(error).__name__}: {error}") from error
    return tuple(modules)


def definitions(modules: Iterable[ModuleType]) -> tuple[Definition, ...]:
    """Return the step definitions that these modules hold, sorted by module and sentence."""
    names = {module.__name__: module.__name__.rpartition(".")[2] for module in modules}
    contexts = [one for one in step_function_context_registry.values() if one.step_func.__module__ in names]
    for context in contexts:
        if isinstance(context.parser, Settled):  # this suite was run before, in this process
            context.parser = context.parser.parser
    found = [
        Definition(
            context.type or "",
            context.parser.name,
            names[context.step_func.__module__],
            getattr(context.step_func, "__name__", "?"),
            context,
        )
        for context in contexts
    ]
    return tuple(sorted(found, key=lambda definition: (definition.module, definition.type, definition.pattern)))


def match(catalogue: Catalogue, known: Iterable[Definition]) -> tuple[list[Problem], dict[int, set[str]]]:
    """
    Pair all sentences of a suite, with columns in place, with their definitions.

    Returns what is wrong, and the sentences of each definition by its place in `known`.
    """
    candidates = tuple(known)
    matched: dict[int, set[str]] = {place: set() for place in range(len(candidates))}
    seen: dict[tuple[str, str], list[int]] = {}
    found: dict[Problem, None] = {}
    for file, scenario, line, type_, sentence in _sentences(catalogue):
        places = seen.get((type_, sentence))
        if places is None:
            places = [place for place, one in enumerate(candidates) if one.matches(type_, sentence)]
            seen[type_, sentence] = places
        for place in places:
            matched[place].add(sentence)
        if len(places) != 1:
            several = " and ".join(str(candidates[place]) for place in places)
            message = f"matches {len(places)} definitions: {several}" if places else "matches no step definition"
            found[Problem(file, line, f"scenario '{scenario}'", f"{type_.capitalize()} '{sentence}' {message}")] = None
    return list(found), matched


def _sentences(catalogue: Catalogue) -> Iterator[tuple[str, str, int, str, str]]:
    for rule in catalogue.rules.values():
        for scenario in rule.scenarios:
            for columns in scenario.examples:
                values = dict(columns)
                for step in scenario.steps:
                    yield rule.file, scenario.title, step.line, step.type, step.rendered(values)


class Settled(StepParser):
    """
    A definition's parser whose sentences are known.

    pytest-bdd asks every definition about every sentence, each time it runs one. The catalogue has asked already, so
    the answer is a look-up; arguments still come from the definition's own parser.
    """

    def __init__(self, parser: StepParser, sentences: set[str]) -> None:
        super().__init__(parser.name)
        self.parser = parser
        self.sentences = sentences

    def is_matching(self, name: str) -> bool:
        """Tell whether that sentence is one of these."""
        return name in self.sentences

    def parse_arguments(self, name: str) -> dict[str, Any] | None:
        """Return the arguments in that sentence."""
        return self.parser.parse_arguments(name)


def bind(catalogue: Catalogue) -> tuple[ModuleType, ...]:
    """
    Load the step modules of a suite and pair all its sentences with them; returns the modules.

    Raises:
        SuiteError: a module cannot be imported, or a sentence has no definition or several.

    """
    modules = load_steps(catalogue.root)
    known = definitions(modules)
    found, matched = match(catalogue, known)
    refuse(found)
    settle(known, matched)
    return modules


def holders(modules: Iterable[ModuleType]) -> Iterator[ModuleType]:
    """
    Yield what pytest is to look for fixtures in: each module without its step definitions, then each definition.

    All definitions get one fixture name. pytest-bdd asks pytest for the fixtures of every name there is, for every step
    that it runs; so a hundred definitions cost one question instead of a hundred.
    """
    names = set()
    for module in modules:
        names.add(module.__name__)
        rest = ModuleType(module.__name__)
        parts = vars(module).items()
        vars(rest).update((name, part) for name, part in parts if not name.startswith(StepNamePrefix.step_def.value))
        yield rest
    for place, (marker, context) in enumerate(list(step_function_context_registry.items())):
        if context.step_func.__module__ in names:
            holder = ModuleType(f"{context.step_func.__module__}.{place}")
            vars(holder)["definition"] = pytest.fixture(name=DEFINITION)(marker)
            yield holder


def settle(known: Iterable[Definition], matched: dict[int, set[str]]) -> None:
    """Let every definition answer from its known sentences."""
    for place, definition in enumerate(known):
        definition.context.parser = Settled(definition.context.parser, matched[place])
