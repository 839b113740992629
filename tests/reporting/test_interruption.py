"""Whatever stops a run, there is a whole report or none; what is no whole report is refused by name."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sevconf.cli import main
from sevconf.errors import RecordError
from sevconf.reporting.files import JUNIT, MARKDOWN, REPORT, TIMINGS, read_report, to_json, write_all
from tests.reporting.sample import everything

ROOT = Path(__file__).parents[2]
FILES = (MARKDOWN, JUNIT, TIMINGS, REPORT)
#: Random kills of a writer; soak asks for more. A fifth as many of a whole run.
KILLS = int(os.environ.get("SEVCONF_KILLS", "20"))

#: Writes a report again and again, of one seed and another.
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from sevconf.reporting.files import write_all
from tests.reporting.sample import everything
reports = everything(), replace(everything(), seed=1)
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    write_all(reports[number % 2], [], Path(sys.argv[1]))
"""
#: Does harm at one point of the second writing: to the file `name`, `before` its rename or in the `middle` of its text.
FAULT = """
import errno, os, signal, sys
from pathlib import Path
name, point, harm = sys.argv[3:]
whole, rename, written = Path.write_text, Path.replace, []

def strike(error):
    if harm == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(error, os.strerror(error))

def write_text(path, text, **options):
    written.append(path)
    if point == "middle" and f".{name}." in path.name and len(written) > 4:
        whole(path, text[: len(text) // 2], **options)
        strike(errno.ENOSPC)
    return whole(path, text, **options)

def replace_(path, to):
    if point == "before" and to.name == name and len(written) > 4:
        strike(errno.ENOSPC)
    return rename(path, to)

Path.write_text, Path.replace = write_text, replace_
"""


def _python(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[bytes]]:
    """Return what each file may hold: that of one report, or of the other."""
    found: dict[str, set[bytes]] = {name: set() for name in FILES}
    for times in ("1", "2"):
        folder = tmp_path_factory.mktemp("whole")
        _python(WRITER, str(folder), times).communicate()
        for name in FILES:
            found[name].add((folder / name).read_bytes())
    assert [len(found[name]) for name in (REPORT, MARKDOWN)] == [2, 2]
    return found


def _whole(folder: Path, texts: dict[str, set[bytes]]) -> None:
    """Hold what is in a folder against what may be there."""
    for name in FILES:
        if (folder / name).exists():
            assert (folder / name).read_bytes() in texts[name]
    if (folder / REPORT).exists():
        assert read_report(folder).seed in {everything().seed, 1}
        assert all((folder / name).exists() for name in FILES)
    else:
        with pytest.raises(RecordError, match="cannot be read"):
            read_report(folder)


@pytest.mark.parametrize("harm", ["kill", "full"])
@pytest.mark.parametrize("point", ["before", "middle"])
@pytest.mark.parametrize("name", FILES)
def test_a_writer_that_is_stopped(
    name: str, point: str, harm: str, tmp_path: Path, texts: dict[str, set[bytes]]
) -> None:
    """A kill, or a full disk, before a rename or in the middle of a record leaves the earlier file as it was."""
    writer = _python(FAULT + WRITER, str(tmp_path), "2", name, point, harm)
    _, said = writer.communicate()
    assert writer.returncode == (-signal.SIGKILL if harm == "kill" else 1)
    _whole(tmp_path, texts)
    assert read_report(tmp_path).seed == everything().seed
    if harm == "full":
        assert f"{name}: cannot be written: [Errno 28] No space left on device" in said
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_writer_that_is_killed_at_random(tmp_path: Path, texts: dict[str, set[bytes]]) -> None:
    """However often, whenever: what has a report's name is a whole one."""
    draw = random.Random(11)  # noqa: S311 -- repeatable, not secret
    for kill in range(KILLS):
        writer = _python(WRITER, str(tmp_path / str(kill % 5)), "1000000")
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(draw.uniform(0, 0.05))
        writer.kill()
        writer.communicate()
        _whole(tmp_path / str(kill % 5), texts)


def _run(folder: Path) -> subprocess.Popen[str]:
    return _python(
        "from sevconf.cli import main; main()", "run", "--rule=DRV-08", "--rule=EVT-01", f"--report-dir={folder}"
    )


def test_a_run_that_is_killed_at_random(tmp_path: Path) -> None:
    """A run that is killed leaves the whole report of its folder, or none."""
    began = time.monotonic()
    whole = _run(tmp_path / "whole")
    whole.communicate()
    assert whole.returncode == 0
    took = time.monotonic() - began
    expected = (tmp_path / "whole" / REPORT).read_bytes()
    draw = random.Random(12)  # noqa: S311 -- as above
    for kill in range(max(KILLS // 5, 1)):
        folder = tmp_path / str(kill)
        process = _run(folder)
        time.sleep(draw.uniform(0, took * 1.1))
        process.kill()
        process.communicate()
        folder.mkdir(exist_ok=True)
        if process.returncode == 0 or (folder / REPORT).exists():
            assert (folder / REPORT).read_bytes() == expected
        else:
            with pytest.raises(RecordError):
                read_report(folder)


def test_a_full_disk_ends_a_run_with_a_message(tmp_path: Path) -> None:
    """A run whose report finds no room says so, with exit code 3, and leaves none."""
    (tmp_path / "blocked" / MARKDOWN).mkdir(parents=True)
    process = _run(tmp_path / "blocked")
    _, said = process.communicate()
    assert process.returncode == 3
    assert f"{MARKDOWN}: cannot be written" in said
    assert "Traceback" not in said
    assert not (tmp_path / "blocked" / REPORT).exists()


def _bad() -> Iterator[tuple[str, str, str]]:
    text = to_json(everything())
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        yield f"cut at {share:.1%}", text[: int(len(text) * share)], "no whole JSON document"
    yield "twice", text * 2, "no whole JSON document"
    fields = json.loads(text)
    yield "rows twice", json.dumps({**fields, "rules": fields["rules"] * 2}), "more than once"
    yield "rows missing", json.dumps({**fields, "rules": fields["rules"][:-1]}), "as its footer says"
    yield "of another tool", '{"schema": "bowtie/2", "rules": []}', "expected a report of schema"


BAD = {name: (text, message) for name, text, message in _bad()}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_no_whole_report_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    """`report` and `compare` name the file and what is wrong with it, with exit code 2."""
    bad, good = tmp_path / "bad", tmp_path / "good"
    write_all(everything(), [], good)
    bad.mkdir()
    (bad / REPORT).write_text(text, encoding="utf-8")
    for command in (["report", bad], ["compare", bad, good], ["compare", good, bad]):
        done = CliRunner().invoke(main, [str(word) for word in command])
        assert done.exit_code == 2
        assert done.stderr.startswith(f"error: {bad}")
        assert message in done.stderr
