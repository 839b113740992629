"""`sevconf explain`: what it tells of a rule, as text and as JSON, and what every rule has to say."""

import json

import pytest
from click.testing import CliRunner, Result

from sevconf.cli import main
from sevconf.explain import explained, told
from sevconf.suite import Catalogue, load
from sevconf.suite.locate import suite_root


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Return the suite's own rules."""
    return load(suite_root())


def _explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("explain", *arguments))


def test_every_rule_cites_and_mends(catalogue: Catalogue) -> None:
    """Each description begins with `Source:` and ends with a `Mend:` of one sentence."""
    silent = [rule.id for rule in catalogue.rules.values() if not rule.source.startswith("Source: ")]
    assert not silent, f"no Source: in {silent}"
    wrong = [rule.id for rule in catalogue.rules.values() if not rule.mend.endswith(".") or ". " in rule.mend]
    assert not wrong, f"no Mend: of one sentence in {wrong}"


def test_every_rule_can_be_told(catalogue: Catalogue) -> None:
    """The text names the clause, each scenario and each sentence of it, and keeps within the screen."""
    for rule in catalogue.rules.values():
        text = told(explained(rule))
        assert text.startswith(f"{rule.id}: ")
        for scenario in rule.scenarios:
            assert f"\n  {scenario.id}\n" in text
            for step in scenario.steps:
                assert step.text in text


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("DMA-30", "releases-pool-by-c-bit  Releases its pool by setting C-bits, without rewriting what lies there."),
        ("DMA-01", "here: when Unmap returns, nothing that went through the mapping lies in plaintext"),
        ("DRV-08", "Watched in every run for: A driver unmaps what is not mapped, or not any more."),
        ("DRV-08", "fixed in tianocore/edk2 e36d5ac7d1, 853970fee2"),
        ("MEM-02", "upstream: tianocore/edk2#9911, NetworkPkg/SnpDxe; open"),
        ("EBS-02", "since      UEFI 2.9"),
        ("EVT-05", "counts in  no profile"),
        ("EVT-05", "None: no machine can be wrong about it."),
        ("EVT-05", "No monitor watches it: only its own scenarios do."),
        ("EBS-06", "    Examples:\n      | iommu        | disk         |\n      | TPL_CALLBACK | TPL_CALLBACK |\n"),
    ],
)
def test_what_is_told(rule: str, said: str) -> None:
    """Violators, monitors, revision, profiles and tables are in the text."""
    done = _explain(rule)
    assert done.exit_code == 0, done.output
    assert said in done.stdout


def test_json_says_the_same(catalogue: Catalogue) -> None:
    """As JSON every part has a name."""
    got = json.loads(_explain("DMA-31", "--json").stdout)
    rule = catalogue.rules["DMA-31"]
    assert (got["rule"], got["clause"], got["party"], got["mend"]) == (rule.id, rule.name, "iommu-driver", rule.mend)
    assert [scenario["id"] for scenario in got["scenarios"]] == ["DMA-31.1"]
    assert {violator["name"] for violator in got["violators"]} == {"keeps-freed-data", "museum-shared-pool"}
    assert got["claims"][0][0] == "S02"


def test_a_rule_that_is_none() -> None:
    """An unknown id is wrong use, and names that are near it are told."""
    done = _explain("dma-3")
    assert done.exit_code == 2
    assert "expected the id of a rule, not 'dma-3'\nhint: did you mean DMA-" in done.stderr
