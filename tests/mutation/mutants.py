"""
Mutants of the model and the monitors: small changes that mutmut's operators make, one at a time.

Only the operators are mutmut's. What it makes of them needs a function's name to stay free for a trampoline, so it
leaves properties, constants and whatever is decorated alone; here a mutant is the whole text of a module.

Left out, as they change no conduct: annotations, type aliases, decorators, and wording, which is texts, what a `raise`
says, and what a breach calls `expected` and `observed`.
"""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import ndiff
from functools import cache
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

ROOT = Path(__file__).parents[2]
#: What is mutated.
ROOMS = ("model", "monitors")
#: Arguments that only say in words what was found.
_WORDING = {"expected", "observed"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One change: `number` counts those of the file, `line` is the first line of what is changed.

    `function` is the qualified name of what it is in, empty for a module.
    """

    path: str
    number: int
    line: int
    operator: str
    function: str

    @property
    def id(self) -> str:
        """What it is called as long as its file does not change."""
        return f"{self.path}:{self.line}:{self.number}"

    @property
    def room(self) -> str:
        """The room that it is in."""
        return self.path.split("/")[1]


class _Sites(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str, str, cst.CSTNode, cst.CSTNode]] = []
        self._inside: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _silent(node):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._inside.append(node.name.value)
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                line = self.get_metadata(PositionProvider, node).start.line
                name = operator.__name__.removeprefix("operator_").replace("_", " ")
                self.found += [(line, name, ".".join(self._inside), node, changed) for changed in operator(node)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._inside.pop()


def _silent(node: cst.CSTNode) -> bool:
    """Tell whether what the node says changes no conduct."""
    match node:
        case cst.Annotation() | cst.Decorator() | cst.BaseString() | cst.Raise() | cst.Import() | cst.ImportFrom():
            return True
        case cst.Arg(keyword=cst.Name(value=name)):
            return name in _WORDING
        case cst.AnnAssign(annotation=cst.Annotation(annotation=cst.Name(value="TypeAlias"))):
            return True
        case cst.If(test=cst.Name(value="TYPE_CHECKING")):
            return True
    return False


def _wording(call: cst.Call) -> list[int]:
    """Return which objects are the arguments of a call that only say in words what was found."""
    return [id(arg) for arg in call.args if arg.keyword is not None and arg.keyword.value in _WORDING]


@cache
def _sites(path: str) -> tuple[cst.Module, tuple[tuple[int, str, str, cst.CSTNode, cst.CSTNode], ...]]:
    wrapper = MetadataWrapper(cst.parse_module((ROOT / path).read_text(encoding="utf-8")))
    visitor = _Sites()
    wrapper.visit(visitor)
    return wrapper.module, tuple(visitor.found)


def mutants() -> tuple[Mutant, ...]:
    """Return all there are, file by file."""
    paths = [path for room in ROOMS for path in sorted((ROOT / "sevconf" / room).rglob("*.py"))]
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    return tuple(Mutant(name, *place) for name in names for place in _places(name))


def _places(path: str) -> Iterator[tuple[int, int, str, str]]:
    for number, (line, operator, function, _, _) in enumerate(_sites(path)[1]):
        yield number, line, operator, function


def sample(size: int | None, seed: int, every: tuple[Mutant, ...]) -> list[Mutant]:
    """Draw that many with a seed, in the order of a draw; None is all of them."""
    return random.Random(seed).sample(every, len(every) if size is None else min(size, len(every)))  # noqa: S311


def text(mutant: Mutant) -> str | None:
    """Return the module's source with the change in it; None if it is no Python, the same program, or mere wording."""
    module, sites = _sites(mutant.path)
    _, _, _, node, changed = sites[mutant.number]
    if isinstance(node, cst.Call) and isinstance(changed, cst.Call) and _wording(node) != _wording(changed):
        return None
    mutated = module.deep_replace(node, changed)
    source = mutated.code if isinstance(mutated, cst.Module) else ""
    try:
        same = ast.dump(ast.parse(source)) == ast.dump(ast.parse(module.code))
        compile(source, mutant.path, "exec")
    except (SyntaxError, ValueError):
        return None
    return None if same else source


def told(mutant: Mutant, source: str) -> str:
    """Tell the change in one line, by function and text and not by line numbers."""
    lines = list(ndiff((ROOT / mutant.path).read_text(encoding="utf-8").splitlines(), source.splitlines()))
    before, after = (" ".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in ("- ", "+ "))
    where = mutant.path.removeprefix("sevconf/").removesuffix(".py")
    return f"{where} {mutant.function or '-'}: {before} => {after}"
