"""Who may import whom: imports go one way, modules never in a circle, steps only what any target has."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sevconf"

_WORDS = {"errors", "vocabulary"}
_VALUES = _WORDS | {"trace", "contract"}
#: What each room of `sevconf/` may import from other rooms.
MAY_IMPORT: dict[str, set[str]] = {
    "vocabulary": set(),
    "errors": set(),
    "verdict": set(),
    "claims": set(),
    "trace": _WORDS,
    "contract": _WORDS | {"trace"},
    "monitors": _VALUES,
    "model": _VALUES,
    "suite": _VALUES | {"claims"},
    "reporting": _VALUES | {"claims", "verdict", "suite"},
    "jury": _VALUES | {"claims", "verdict", "suite", "reporting"},
    "differential": _VALUES | {"model"},
    "faults": _VALUES | {"model", "monitors", "subjects"},
    "subjects": _VALUES | {"model", "monitors", "faults"},
    "explore": _VALUES | {"model", "monitors", "faults", "subjects", "suite", "verdict"},
}
#: The rooms on top, which may import all of these.
TOP = {
    "__init__",
    "__main__",
    "cli",
    "cli_comfort",
    "cli_reports",
    "cli_explore",
    "deviations",
    "disclosure",
    "doctor",
    "explain",
    "judge",
    "jurors",
    "listing",
    "plugin",
    "run",
    "sensitivity",
}
#: What steps may import: whatever any target has.
STEPS_MAY_IMPORT = _VALUES | {"monitors"}


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "_suite" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _imports(tree: ast.AST, *, lazy: bool) -> Iterator[str]:
    """Yield the modules of sevconf that a module imports; `lazy`: also inside functions and for types only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "sevconf")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sevconf":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else str(node.module)
        elif lazy or not (isinstance(node, ast.FunctionDef) or _for_types(node)):
            yield from _imports(node, lazy=lazy)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    """A room imports only rooms below it, lazily or not."""
    room = _room(module)
    if room in TOP:
        return
    assert room in MAY_IMPORT, f"the room of {module} has no place in the order of imports"
    allowed = MAY_IMPORT[room] | {room, "__init__"}
    wrong = {name for name in _imports(_tree(MODULES[module]), lazy=True) if _room(name) not in allowed}
    assert not wrong


@pytest.mark.parametrize("module", [name for name in MODULES if _room(name) == "model"])
def test_the_model_knows_only_the_drivers_side(module: str) -> None:
    """The model offers what drivers are given; what steps need from any target is made of it elsewhere."""
    names = set(_imports(_tree(MODULES[module]), lazy=True))
    assert not names & {"sevconf.contract.machine", "sevconf.contract"}


def test_no_circles() -> None:
    """No module imports itself by way of others, when it is loaded."""
    edges = {module: set(_imports(_tree(path), lazy=False)) - {module} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above[above.index(module) :], module))
        if module not in done:
            for name in sorted(edges.get(module, ())):
                visit(name, (*above, module))
            done.add(module)

    for module in edges:
        visit(module, ())


@pytest.mark.parametrize("path", sorted((ROOT / "steps").glob("*.py")), ids=lambda path: path.name)
def test_steps_know_no_target(path: Path) -> None:
    """Steps import what every target has, each other only relatively, and nothing that is one target's."""
    tree = _tree(path)
    rooms = {_room(name) for name in _imports(tree, lazy=True)}
    assert rooms <= STEPS_MAY_IMPORT
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [str(node.module)]
        assert not [name for name in names if name.split(".")[0] in {"steps", "tests", "features"}]


@pytest.mark.parametrize("module", MODULES)
def test_the_package_asserts_nothing(module: str) -> None:
    """Arguments are checked by exceptions that say what was expected: no `assert` in the package."""
    asserts = [node.lineno for node in ast.walk(_tree(MODULES[module])) if isinstance(node, ast.Assert)]
    assert not asserts
