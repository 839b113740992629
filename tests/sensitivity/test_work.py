"""Going through the faults: the choice of rules, several processes, and on from where it stopped."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sevconf.cli import main
from sevconf.faults import CATALOGUE
from sevconf.sensitivity import work
from sevconf.sensitivity.trial import Finding, rules_for
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.vocabulary import Party

SUITE = load(suite_root())
LOADERS = [name for name, fault in CATALOGUE.items() if fault.party is Party.OS_LOADER]


def _findings(jobs: tuple[work.Job, ...], workers: int = 0, kept: Path | None = None) -> list[Finding]:
    return list(work.findings(jobs, workers, kept, lambda: None))


def test_a_fault_is_judged_by_its_party() -> None:
    """All rules on the party, or those of the files that it breaks something in; none of other parties."""
    fault = CATALOGUE["gives-up"]
    whole, near = (rules_for(SUITE, fault, SUITE.rules, near=near) for near in (False, True))
    assert near < whole
    assert {SUITE.rules[rule].party for rule in whole} == {Party.OS_LOADER}
    assert {SUITE.rules[rule].file for rule in near} == {SUITE.rules["EBS-03"].file}


def test_what_no_chosen_rule_judges_is_left_out() -> None:
    """A choice of rules is a choice of machines; the legal targets are asked only for what is left open."""
    assert {job.target for job in work.jobs(SUITE, ["EBS-03"], CATALOGUE, near=False)} == set(LOADERS)
    legal = {job.target for job in work.jobs(SUITE, ["EVT-05"], (), near=False)}
    assert legal == set(work.LEGAL)


def test_workers_find_the_same(tmp_path: Path) -> None:
    """Findings come in the order of the work, however many processes there are."""
    jobs = work.jobs(SUITE, SUITE.rules, LOADERS[:3], near=True)[:3]
    assert _findings(jobs) == _findings(jobs, workers=2, kept=tmp_path / "kept.json")


def test_it_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found of the same source is not tried again; of another source, or spoilt, it is."""
    done: list[str] = []

    def do(job: work.Job) -> Finding:
        done.append(job.target)
        if len(done) == 2:
            raise KeyboardInterrupt
        return Finding(job.target, job.rules, caught=job.rules)

    monkeypatch.setattr(work, "_do", do)
    kept = tmp_path / "kept.json"
    jobs = (work.Job("a", ("R-1",)), work.Job("b", ("R-1",)))
    with pytest.raises(KeyboardInterrupt):
        _findings(jobs, kept=kept)
    assert [finding.target for finding in _findings(jobs, kept=kept)] == ["a", "b"]
    assert done == ["a", "b", "b"]
    kept.write_text(kept.read_text(encoding="utf-8").replace('"state": "', '"state": "other'), encoding="utf-8")
    _findings(jobs, kept=kept)
    assert done == ["a", "b", "b", "a", "b"]
    kept.write_text("{", encoding="utf-8")
    _findings(jobs, kept=kept)
    assert done[5:] == ["a", "b"]


def test_the_command_says_what_it_comes_to(tmp_path: Path) -> None:
    """It writes both files, ends with 0 if all is as declared, and with 2 on a name that is none."""
    options = ["sensitivity", "--near", "--fault", "gives-up", "--report-dir", str(tmp_path)]
    first = CliRunner().invoke(main, options)
    assert first.exit_code == 0, first.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sensitivity.json", "sensitivity.md"]
    again = CliRunner().invoke(main, [*options[:4], "--against", str(tmp_path)])
    assert again.exit_code == 0, again.output
    other = CliRunner().invoke(
        main, ["sensitivity", "--near", "--fault", "exits-at-callback", "--against", str(tmp_path)]
    )
    assert other.exit_code == 1
    assert "exits-at-callback is not there" in other.output
    nowhere = CliRunner().invoke(main, ["sensitivity", "--fault", "gives-up", "--resume", "/dev/null/x/kept.json"])
    assert nowhere.exit_code == 2
    assert "error: expected a folder to write to: " in nowhere.output
    wrong = CliRunner().invoke(main, ["sensitivity", "--fault", "gives-upp"])
    assert wrong.exit_code == 2
    assert "did you mean gives-up" in wrong.output
