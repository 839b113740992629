"""The comforts of the command line: what is installed, completion, colours, quiet and verbose."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from sevconf import doctor
from sevconf.cli import main
from sevconf.doctor import Need, examine
from tests.miniature import FEATURE, plant, rule


def _sevconf(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def test_the_doctor_tells_what_is_here_and_what_each_is_for() -> None:
    """Everything has a purpose, what is needed is here, and the versions are those that are installed."""
    found = {f.need.what: f for f in examine()}
    assert {"Python", "QEMU", "OVMF", "U-Boot", "Unicorn", "pefile", "compiler"} <= found.keys()
    assert all(f.need.purpose for f in found.values())
    assert found["pytest"].version == pytest.__version__
    done = _sevconf("doctor")
    assert (done.exit_code, " are here" in done.output) == (0, True)
    told = {each["what"]: each for each in json.loads(_sevconf("doctor", "--json").output)}
    assert told["pytest"]["found"] == pytest.__version__


def test_the_doctor_misses_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What cannot be found is said to be missing, with how to get it; only a needed one is an error."""
    needs = [
        Need(kind, kind, (str(tmp_path / "no_such_thing"),), "nothing", f"get {kind}") for kind in ("program", "file")
    ]
    needs.append(Need("package", "package", ("no_such_thing",), "nothing", "get package"))
    monkeypatch.setattr(doctor, "NEEDS", tuple(needs))
    done = _sevconf("doctor")
    assert done.exit_code == 0
    for kind in ("program", "file", "package"):
        assert f"{kind:<8} missing  nothing" in done.output
        assert f"get {kind}" in done.output
    monkeypatch.setattr(doctor, "NEEDS", (Need("it", "package", ("no_such_thing",), "all", "get it", needed=True),))
    assert _sevconf("doctor").exit_code == 2


def test_the_doctor_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that hangs or tells no version is here all the same, told by its path."""
    for name, text in (("hangs", "sleep 60"), ("mute", "true")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexec {text}\n")
        program.chmod(0o755)
    monkeypatch.setattr(doctor, "_PATIENCE", 0.2)
    needs = tuple(Need(name, "program", (str(tmp_path / name),), "nothing", "") for name in ("hangs", "mute"))
    monkeypatch.setattr(doctor, "NEEDS", needs)
    assert [f.version for f in examine()][1:] == [str(tmp_path / "hangs"), str(tmp_path / "mute")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    """The script asks sevconf itself, by click's protocol."""
    assert f"_SEVCONF_COMPLETE={shell}_complete" in _sevconf("completion", shell).output


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sevconf run --rule EBS-0", "EBS-06"),
        ("sevconf explain ebs-0", "EBS-06"),
        ("sevconf run --target era:", "era:edk2-head"),
        ("sevconf comp", "compare"),
    ],
)
def test_rules_and_targets_complete(words: str, found: str) -> None:
    """What is typed so far is completed to what there is."""
    place = str(len(words.split()) - 1)
    asked = {"_SEVCONF_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": place}
    done = subprocess.run(
        [sys.executable, "-c", "from sevconf.cli import main; main(prog_name='sevconf')"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"plain,{found}" in done.stdout.splitlines()


@pytest.mark.parametrize(("set_", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_colours_are_for_terminals_alone(set_: dict[str, str], coloured: bool) -> None:
    """On a terminal verdicts have colours, unless NO_COLOR says no; in a pipe there are none."""
    others = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    run = [sys.executable, "-m", "sevconf", "run", "-q", "--rule", "EVT-17"]
    parent, child = pty.openpty()
    done = subprocess.run(run, stdout=child, stderr=subprocess.PIPE, env={**others, **set_}, check=True)
    os.close(child)
    told = os.read(parent, 4096).decode()
    os.close(parent)
    assert ("\x1b[32m" in told) is coloured, done.stderr
    assert "\x1b" not in subprocess.run(run, capture_output=True, text=True, env=others, check=True).stdout


def test_quiet_and_verbose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quiet is one line; verbose names each row with its verdict on stderr, and leaves stdout as it is."""
    plant(tmp_path, monkeypatch, FEATURE, rule("the row is wrong", number=2, tags="@driver @uefi @T42 @on-none"))
    plain, quiet, verbose = (_sevconf("run", "-t", "fake", *flag) for flag in ((), ("-q",), ("-v",)))
    assert quiet.stdout == plain.stdout.splitlines(keepends=True)[-1]
    assert verbose.stdout == plain.stdout
    assert plain.stderr == ""
    assert "nonconforming  EVT-02.1{on=none}\n" in verbose.stderr
    assert verbose.stderr.count("\n") == 5
    assert {done.exit_code for done in (plain, quiet, verbose)} == {1}


def test_the_schema_is_one() -> None:
    """What `sevconf schema` prints is a JSON Schema that a report fits."""
    schema = json.loads(_sevconf("schema").output)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(_sevconf("run", "--rule", "EVT-17", "--json").output), schema)


def test_smoke_as_json() -> None:
    """The smoke test tells other programs as well."""
    assert json.loads(_sevconf("smoke", "--json").output) == {"target": "reference", "passed": True}
