"""Sentences and their definitions."""

from pathlib import Path

import pytest

from sevconf.errors import SuiteError
from sevconf.suite import load
from sevconf.suite.sentences import DEFINITION, bind, definitions, holders, load_steps, match
from tests.miniature import STEPS, plant, rule


def test_every_sentence_has_its_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite in order binds, and each sentence is known to one definition."""
    catalogue = load(plant(tmp_path, monkeypatch))
    known = definitions(load_steps(catalogue.root))
    found, matched = match(catalogue, known)
    assert found == []
    assert {frozenset(sentences) for sentences in matched.values()} == {
        frozenset({"a machine"}),
        frozenset({"it runs"}),
        frozenset({"the row is right", "the row is fine"}),
        frozenset(),
    }


def test_a_missing_sentence_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence without definition is named with file, line and scenario, and is no finding about a target."""
    catalogue = load(plant(tmp_path, monkeypatch, rule("the row is nowhere to be seen").replace("a machine", "a ship")))
    with pytest.raises(SuiteError) as raised:
        bind(catalogue)
    expected = "features/events/f0.feature:10: scenario 'It ends': Given 'a ship' matches no step definition"
    assert expected in str(raised.value)


def test_a_doubled_sentence_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence with two definitions is refused, naming both; pytest-bdd would take the last one."""
    twice = STEPS + '\n\n@when("it runs")\ndef it_runs(machine):\n    machine.act("runs")\n'
    catalogue = load(plant(tmp_path, monkeypatch, steps=twice))
    with pytest.raises(SuiteError) as raised:
        bind(catalogue)
    assert "When 'it runs' matches 2 definitions" in str(raised.value)
    assert "When 'it runs' (acts.it_runs) and When 'it {act}' (acts.it_acts)" in str(raised.value)


def test_steps_that_do_not_import_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step module that cannot be imported is named."""
    catalogue = load(plant(tmp_path, monkeypatch, steps="import nothing_of_that_name\n"))
    with pytest.raises(SuiteError, match=r"steps/acts\.py: cannot be imported: ModuleNotFoundError"):
        bind(catalogue)


def test_a_suite_binds_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite that was bound before, and changed since, is matched by its definitions' own parsers again."""
    root = plant(tmp_path, monkeypatch)
    bind(load(root))
    (root / "features" / "events" / "f0.feature").write_text(rule("the row is new"))
    bind(load(root))


def test_definitions_share_one_fixture_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pytest registers is each module without definitions, and each definition under one name."""
    root = plant(tmp_path, monkeypatch)
    modules = load_steps(root)
    registered = list(holders(modules))
    rest, alone = registered[: len(modules)], registered[len(modules) :]
    assert len(alone) == len(definitions(modules)) == 7
    assert not any(name.startswith(DEFINITION.partition("_sevconf")[0]) for module in rest for name in vars(module))
