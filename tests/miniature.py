"""
A suite in miniature, to try the runner on: features and steps of a few lines, and a target that does what it is told.

`plant` writes it into a folder and makes it the suite; its step module makes the fake target known in every process.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sevconf.contract import Capability, Identity
from sevconf.errors import CannotStart, ForeignFailure, SevconfError, UsageError
from sevconf.subjects.choices import Choices
from sevconf.suite.locate import VARIABLE
from sevconf.trace import HostAct, Trace
from sevconf.vocabulary import MachineKind, Party, Revision, Tpl

STEPS = '''
"""Sentences of the miniature suite."""

from pytest_bdd import given, parsers, then, when

from sevconf.errors import ForeignFailure, Inconclusive, Nonconformance, Unsupported
from sevconf.trace import HostAct
from sevconf.vocabulary import Tpl
from tests.miniature import install

from .words import RAISES

install()


@given("a machine")
def a_machine(machine):
    machine.act("stands still")


@when(parsers.parse("it {act}"))
def it_acts(machine, act):
    machine.act(act)


@then(parsers.parse("the row is {end}"))
def the_row_is(machine, end):
    if end in RAISES:
        raise RAISES[end]


@then(parsers.parse("the answer is {words}"))
def the_answer_is(machine, answer, words):
    answer(words)


@then(parsers.parse("{rule} is not breached"))
def not_breached(monitored, rule):
    for breach in monitored(rule):
        raise Nonconformance(breach.expected, breach.observed, breach.culprit, breach.steps)


@then("nothing is asked of the machine")
def nothing():
    pass


@then("the worker dies")
def dies():
    import os

    os._exit(9)
'''

WORDS = '''
"""What a word in a sentence raises."""

from sevconf.errors import ForeignFailure, Inconclusive, Nonconformance, Unsupported

RAISES = {
    "wrong": Nonconformance("it rests", "it ran at step 2", "driver:fake", (2,)),
    "blamed on itself": Nonconformance("it rests", "it ran", "scenario", (2,)),
    "unclear": Inconclusive("nothing was seen to move"),
    "absent": Unsupported("the target has no lamp"),
    "failed": ForeignFailure("driver:fake", "start", "raised ValueError"),
    "asserted": AssertionError("1 == 2"),
    "broken": KeyError("lamp"),
}
'''

#: One rule of every fate.
FEATURE = """
Feature: Every fate

  @EVT-01 @driver @uefi @T41 @on-none @on-sev
  Rule: A machine rests
    Source: none.

    @EVT-01.1
    Scenario Outline: It ends as it is told
      Given a machine
      When it runs
      Then the row is <end>

      Examples:
        | end   |
        | right |
        | fine  |
"""


def rule(
    end: str = "the row is right",
    *,
    number: int = 1,
    tags: str = "@driver @uefi @T41 @on-none",
    scenario_tags: str = "",
) -> str:
    """Return a feature text with one rule of one scenario that ends in that Then."""
    return f"""
Feature: Number {number}

  @EVT-{number:02} {tags}
  Rule: Number {number} holds
    Source: none.

    @EVT-{number:02}.1 {scenario_tags}
    Scenario: It ends
      Given a machine
      When it runs
      Then {end}
"""


@dataclass
class FakeMachine:
    """A machine that writes down what it is told to do."""

    kind: MachineKind
    seed: int
    trace: Trace = field(default_factory=Trace)
    closed: bool = False

    def act(self, what: str) -> None:
        """Do it."""
        self.trace.record(HostAct, "host", None, Tpl.APPLICATION, what=f"{what} on {self.kind.value}")
        self.trace.record(HostAct, "driver:fake", None, Tpl.APPLICATION, what=f"draws {self.seed}")

    def close(self) -> None:
        """Stop."""
        self.closed = True


@dataclass
class FakeTarget:
    """A target for tests; `ill` makes it fail in a certain place."""

    name: str = "fake"
    parties: frozenset[Party] = frozenset({Party.DRIVER, Party.CORE})
    kinds: frozenset[MachineKind] = frozenset({MachineKind.NONE, MachineKind.SEV})
    capabilities: frozenset[Capability] = frozenset({Capability.DRAM_DUMP})
    revision: Revision = Revision.UEFI_2_7
    ill: str = ""
    opened: list[FakeMachine] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return Identity(self.name, "fake", "ab" * 32, tools=(("tool", "1.0"),))

    def open(self, kind: MachineKind, seed: int) -> Any:
        """Return a machine, which has none of the contract's facets but its trace."""
        if self.ill == "start":
            raise CannotStart(self.name, "no power", hint="plug it in")
        machine = FakeMachine(kind, seed)
        self.opened.append(machine)
        return machine

    def close(self) -> None:
        """Nothing is shared."""


def resolve(name: str, choices: Choices | None = None) -> FakeTarget:
    """Find a target: `fake`, or `fake-ILL` for one that fails at ILL."""
    if name != "reference" and not name.startswith("fake"):
        raise UsageError(f"expected the name of a target, not {name!r}", hint="`sevconf list targets` shows them")
    return FakeTarget(name, ill=name.removeprefix("fake").removeprefix("-"))


def smoke(target: FakeTarget) -> None:
    """Fail as the target's name says."""
    if target.ill == "smoke":
        raise SevconfError("no answer", hint="try again")
    if target.ill == "foreign-smoke":
        raise ForeignFailure("driver:fake", "start", "raised ValueError")


def install() -> None:
    """Put the fakes in the places of the real registry and smoke test, in this process."""
    registry, smoke_test = ModuleType("sevconf.subjects.registry"), ModuleType("sevconf.subjects.smoke")
    vars(registry).update(resolve=resolve, names=lambda: (("fake", "does what it is told"),))
    vars(smoke_test).update(smoke=smoke)
    sys.modules[registry.__name__] = registry
    sys.modules[smoke_test.__name__] = smoke_test


def plant(root: Path, patch: pytest.MonkeyPatch, *features: str, steps: str = STEPS) -> Path:
    """Write a suite of these feature texts into a folder and make it the one that counts; returns the folder."""
    (root / "features" / "events").mkdir(parents=True)
    (root / "steps").mkdir()
    for number, text in enumerate(features or (FEATURE,)):
        (root / "features" / "events" / f"f{number}.feature").write_text(text)
    (root / "steps" / "acts.py").write_text(steps)
    (root / "steps" / "words.py").write_text(WORDS)
    patch.setenv(VARIABLE, str(root))
    for name in ("sevconf.subjects.registry", "sevconf.subjects.smoke"):
        patch.setitem(sys.modules, name, ModuleType(name))
    install()
    return root
