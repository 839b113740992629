"""The real features and steps: every sentence has one definition, and features/README.md lists all that there is."""

import re
from pathlib import Path

import pytest

from sevconf.claims import CLAIMS
from sevconf.monitors import MONITORS
from sevconf.suite import Catalogue, load
from sevconf.suite.catalogue import refuse
from sevconf.suite.sentences import Definition, definitions, load_steps, match
from sevconf.suite.tags import MEANINGS, PREFIXES, RULE_ID, SCENARIO_ID

ROOT = Path(__file__).parents[1]
README = ROOT / "features" / "README.md"

pytestmark = pytest.mark.skipif(not any((ROOT / "features").rglob("*.feature")), reason="there are no features yet")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Return the catalogue of this checkout."""
    return load(ROOT)


@pytest.fixture(scope="module")
def known(catalogue: Catalogue) -> tuple[Definition, ...]:
    """Return the step definitions of this checkout."""
    return definitions(load_steps(catalogue.root))


def test_every_sentence_has_one_definition(catalogue: Catalogue, known: tuple[Definition, ...]) -> None:
    """No sentence is missing, and none has two meanings."""
    refuse(match(catalogue, known)[0])


def test_every_definition_is_used(catalogue: Catalogue, known: tuple[Definition, ...]) -> None:
    """No definition outlives its last sentence."""
    matched = match(catalogue, known)[1]
    assert [str(known[place]) for place, sentences in matched.items() if not sentences] == []


def test_every_monitor_has_its_rule(catalogue: Catalogue) -> None:
    """What a monitor charges is a rule of the suite that judges the same party."""
    wrong = [monitor.rule for monitor in MONITORS if monitor.rule not in catalogue.rules]
    assert wrong == []
    assert [m.rule for m in MONITORS if catalogue.rules[m.rule].party is not m.party] == []


def test_every_prefix_is_a_folder() -> None:
    """Every folder of features has its prefix, and no other folder is there."""
    folders = {path.name for path in (ROOT / "features").iterdir() if path.is_dir()}
    assert folders <= PREFIXES.keys()


@pytest.mark.skipif(not README.exists(), reason="there is no list yet")
def test_the_list_of_sentences_is_closed(known: tuple[Definition, ...]) -> None:
    """features/README.md lists exactly the sentences that have definitions."""
    listed = re.findall(r"`((?:Given|When|Then) [^`]+)`", README.read_text(encoding="utf-8"))
    written = sorted(f"{definition.type.capitalize()} {definition.pattern}" for definition in known)
    assert sorted(set(listed)) == written


@pytest.mark.skipif(not README.exists(), reason="there is no list yet")
def test_the_list_of_tags_is_closed() -> None:
    """features/README.md lists every tag that is no id and no claim, and no tag that does not exist."""
    listed = set(re.findall(r"`@([^`\s]+)`", README.read_text(encoding="utf-8")))
    assert MEANINGS.keys() - CLAIMS.keys() - set(PREFIXES.values()) - listed == set()
    unknown = listed - MEANINGS.keys()
    assert {tag for tag in unknown if not (RULE_ID.fullmatch(tag) or SCENARIO_ID.fullmatch(tag))} == set()
