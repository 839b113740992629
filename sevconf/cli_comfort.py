"""Commands and helpers that make the command line pleasant: what is installed, completion, colours."""
# ruff: noqa: PLC0415 -- as in `cli`, what a command needs is imported when it runs

import json
import os
import re
import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from sevconf.errors import UsageError
from sevconf.verdict import ExitCode

#: Verdicts that have a colour.
_COLOURS = {
    "passed": "green",
    "conforms": "green",
    "nonconforming": "red",
    "target-failed": "red",
    "error": "red",
    "inconclusive": "yellow",
    "breach": "red",
    "deviation": "magenta",
}
_WORDS = re.compile(rf"(?<![\w-])({'|'.join(_COLOURS)})(?![\w-])")


def show(text: str) -> None:
    """Print text, with verdicts in colour on a terminal unless NO_COLOR is set (no-color.org)."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        text = _WORDS.sub(lambda word: click.style(word[0], fg=_COLOURS[word[0]]), text)
    click.echo(text, nl=False)


def rules_like(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a rule."""
    from sevconf.suite import load
    from sevconf.suite.locate import suite_root

    rules = load(suite_root()).rules.values()
    return [CompletionItem(rule.id, help=rule.name) for rule in rules if rule.id.startswith(incomplete.upper())]


def targets_like(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a target; what is a file or a class is left to the shell."""
    from sevconf.subjects.registry import names

    found = [(name, about) for name, about in names() if name.startswith(incomplete) and "CLASS" not in name]
    return [CompletionItem(name, help=about) for name, about in found] or [CompletionItem(incomplete, type="file")]


def make_folder(folder: Path | None) -> None:
    """Make the folder that something is written to, if any; one that can't be made is wrong use."""
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"expected a folder to write to: {error}") from error


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what is installed of all that sevconf can use, and what each is for; exit code 2 if a needed one is not."""
    from sevconf.doctor import examine
    from sevconf.reporting.sections import Section
    from sevconf.reporting.table import grid

    found = tuple(examine())
    if as_json:
        plain = [
            {
                "what": f.need.what,
                "found": f.version or None,
                "for": f.need.purpose,
                "get": f.need.get,
                "needed": f.need.needed,
            }
            for f in found
        ]
        click.echo(json.dumps(plain, indent=1))
    else:
        rows = tuple((f.need.what, f.version or "missing", f.need.purpose, "" if f.here else f.need.get) for f in found)
        click.echo(grid(Section("", ("", "found", "what it is for", "to get it"), rows)))
        missing = sum(not f.here for f in found)
        click.echo(f"\n{len(found) - missing} of {len(found)} are here" + ("" if missing else ": nothing is missing"))
    ctx.exit(ExitCode.USAGE if any(f.need.needed and not f.here for f in found) else ExitCode.CONFORMING)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, rules and targets in a shell: `eval "$(sevconf completion bash)"`."""
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(ctx.find_root().command, {}, "sevconf", "_SEVCONF_COMPLETE").source())


@click.command()
def schema() -> None:
    """Print the JSON Schema of report.json."""
    from importlib.resources import files

    click.echo(files("sevconf.reporting").joinpath("report.schema.json").read_text(encoding="utf-8"), nl=False)


COMMANDS = (doctor, completion, schema)
