"""Mutants are made and tried as the report says."""

import json
import subprocess
import sys

import pytest

from tests.mutation.mutants import ROOT, Mutant, mutants, sample, text, told
from tests.mutation.report import Found, Group, Report, interval, judged

EVERY = mutants()

#: Tries changes by hand: each is a file, what stands there, what shall stand there, and the row to ask.
PROGRAM = """
import json, sys
from tests.mutation.session import lend
from tests.mutation.mutants import ROOT
from tests.mutation.trial import Ask, outcome, tried

def work(rows):
    answers = []
    for path, before, after, target, row, rule in json.loads(sys.argv[1]):
        source = (ROOT / path).read_text(encoding="utf-8")
        assert before in source
        expected = () if rule else (outcome(rows.run(target, row)),)
        ask = Ask(target, (row,), expected, rule, frozenset({rule}))
        module = path.removesuffix(".py").replace("/", ".")
        answers.append(tried(rows, module, str(ROOT / path), source.replace(before, after), [ask]))
    print(json.dumps(answers))

lend(work)
"""
#: A row that uses the model, and asks a monitor of the steps' own.
ROW = "DRV-31.1{on=none}"
DISK, HALTING = "sevconf/model/drivers/disk.py", "sevconf/monitors/halting.py"
START = "def start(self) -> EfiStatus:"
TRIALS = [
    ((DISK, "def stop(self)", "def stop( self)", "reference", ROW, ""), None),
    ((DISK, "def start(self)", "def begin(self)", "reference", ROW, ""), "reference"),
    ((DISK, "import", "import nothing\nimport", "reference", ROW, ""), "loading"),
    ((DISK, START, f"{START}\n        while True: pass\n    def s(self) -> EfiStatus:", "reference", ROW, ""), "time"),
    ((HALTING, "if done is None:", "if done is done:", "faulty:does-not-halt", "DRV-01.1{on=sev}", "DRV-01"), "faulty"),
    ((HALTING, "if done is None:", "if done is  None:", "faulty:does-not-halt", "DRV-01.1{on=sev}", "DRV-01"), None),
    (("sevconf/monitors/judgement.py", "def control(", "def control(_: int, ", "reference", ROW, ""), "reference"),
]  # fmt: skip


def test_a_change_is_told_by_the_row_that_runs_it() -> None:
    """A change that breaks the model, a monitor, or what steps import from monitors is told; one of blanks survives."""
    trials = json.dumps([trial for trial, _ in TRIALS])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, trials], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert [answer.get("by", "").split(" ")[0].split(":")[0] or None for answer in answers] == [by for _, by in TRIALS]


def test_mutants_are_other_programs_and_say_what_they_change() -> None:
    """A mutant's text differs from the file's in what it tells, and is Python."""
    seen = 0
    for mutant in sample(40, 3, EVERY):
        source = text(mutant)
        if source is not None:
            seen += 1
            compile(source, mutant.path, "exec")
            before, _, after = told(mutant, source).partition(" => ")
            assert before != after
    assert seen >= 30


def test_wording_is_not_mutated() -> None:
    """What a breach calls expected and observed is no conduct."""
    breaches = [m for m in EVERY if m.path.endswith("monitors/halting.py") and m.operator == "arg removal"]
    changed = [told(mutant, source) for mutant in breaches if (source := text(mutant)) is not None]
    assert changed
    assert not [line for line in changed if "expected=None" in line or "observed=None" in line]


def test_a_draw_is_repeatable_and_smaller_ones_begin_it() -> None:
    """The same seed draws the same mutants; so a larger sample goes on where a smaller one ended."""
    assert sample(60, 1, EVERY) == sample(600, 1, EVERY)[:60]
    assert sample(60, 1, EVERY) != sample(60, 2, EVERY)
    assert sorted(m.id for m in sample(None, 1, EVERY)) == sorted(m.id for m in EVERY)


@pytest.mark.parametrize(("hits", "tries", "low", "high"), [(0, 0, 0, 1), (90, 100, 0.826, 0.945), (10, 10, 0.722, 1)])
def test_the_interval_is_wilsons(hits: int, tries: int, low: float, high: float) -> None:
    """Values as in tables of Wilson's score at 95 %."""
    assert interval(hits, tries) == pytest.approx((low, high), abs=0.001)


def _found(number: int, how: str) -> Found:
    answer = {"told": f"model/x f: {how} => y"} | ({"by": "reference A-01", "how": "error"} if how == "killed" else {})
    return Found(Mutant("sevconf/model/x.py", number, 1, "number", "f"), answer)


def test_equivalent_mutants_count_for_nothing_and_the_untold_are_named() -> None:
    """The score is of those that are not equivalent; a survivor without a reason is told."""
    groups = (Group("same", True, "nobody can tell", (": same",)), Group("seen", False, "no rule", (": seen",)))
    hows = ["killed", "killed", "killed", "same", "seen", "new"]
    report = Report(tuple(_found(n, how) for n, how in enumerate(hows)), 6, 6, 0, groups)
    assert report.score() == (3, 5)
    assert [one.answer["told"] for one in report.untold()] == ["model/x f: new => y"]
    assert "nobody can tell" in report.text()
    assert "60.0%" in report.summary()


def test_the_committed_report_leaves_no_survivor_untold() -> None:
    """Each survivor of the committed sample has its reason, and at most 8 % are called equivalent."""
    report = (ROOT / "reports" / "mutation.md").read_text(encoding="utf-8")
    assert "told nowhere" not in report
    words = dict(line.split(None, 1) for line in report.split("```")[1].splitlines()[1:])
    assert int(words["equivalent"].split()[0]) <= 0.08 * int(words["mutants"].split()[0])
    assert float(words["score"].split("%")[0]) >= 85


def test_reasons_are_whole() -> None:
    """Each group has a name of its own and a reason."""
    groups = judged()
    assert len({group.name for group in groups}) == len(groups)
    assert all(group.reason.endswith(".") and group.matches for group in groups)
