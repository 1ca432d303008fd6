"""How the package hangs together: what imports what, what loads when, what is typed and lazy."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import vidcam

PACKAGE = Path(vidcam.__file__).parent
LEVELS = {
    "cli": 4,
    "pipeline": 3, "live": 3, "batch": 3, "training": 3,
    "metrics": 2, "report": 2,
    "media": 1, "models": 1, "cam": 1, "render": 1,
}  # fmt: skip
HEAVY = ("tensorflow", "keras", "cv2", "av", "imageio", "PIL", "matplotlib", "sklearn", "numpy")


def imports() -> list[tuple[str, str, str]]:
    """Returns (file, part it is in, part it imports) for every import of vidcam by vidcam."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE)
        own = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [
                    f"{node.module}.{alias.name}" if node.module == "vidcam" else node.module for alias in node.names
                ]
            for name in names:
                parts = name.split(".")
                if parts[0] == "vidcam" and len(parts) > 1:
                    found.append((str(relative), own, parts[1]))
    return found


def test_packages_import_only_what_is_below_them():
    found = imports()
    assert len(found) > 50
    wrong = [
        f"{file} imports vidcam.{other}"
        for file, own, other in found
        if own != other
        and other in LEVELS
        and own in LEVELS
        # The four at the bottom do not know one another; above, a job may build on its neighbour.
        and (LEVELS[other] > LEVELS[own] or LEVELS[own] == LEVELS[other] == 1)
    ]
    wrong += [
        f"{file} imports vidcam.{other}"
        for file, own, other in found
        if own in ("types", "errors", "_files", "_lazy", "_machine", "_tensorflow") and other in LEVELS
    ]
    assert not wrong


def modules_imported(path: Path) -> set[str]:
    """Returns the modules of vidcam that a file imports anywhere, also inside a function or for its types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            within = PACKAGE.parent.joinpath(*node.module.split("."))
            for alias in node.names:
                is_module = (within / f"{alias.name}.py").exists() or (within / alias.name / "__init__.py").exists()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return {name for name in found if name.split(".")[0] == "vidcam"}


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Returns a circle of names that lead to one another, the first one again at the end; empty where there is none."""
    done: set[str] = set()
    for root in sorted(graph):
        way: list[str] = []
        stack = [(root, iter(sorted(graph[root])))]
        while stack:
            name, ahead = stack[-1]
            if name not in way:
                way.append(name)
            following = next((n for n in ahead if n in graph and n not in done), None)
            if following is None:
                done.add(name)
                way.pop()
                stack.pop()
            elif following in way:
                return [*way[way.index(following) :], following]
            else:
                stack.append((following, iter(sorted(graph[following]))))
    return []


def test_no_two_files_import_each_other_in_a_circle():
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    graph = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        graph[".".join(parts).removesuffix(".__init__")] = modules_imported(path)
    assert sum(len(names) for names in graph.values()) > 300
    assert not circle_in(graph)


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("tensorflow", {"models", "cam", "metrics", "training", "_tensorflow"}),
        ("keras", {"models", "cam", "metrics", "training", "_tensorflow"}),
        ("av", {"media"}),
        ("imageio", {"media"}),
        ("tqdm", {"cli", "_notebook"}),
        ("click", {"cli"}),
    ],
)
def test_libraries_stay_in_their_rooms(library, allowed):
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if own not in allowed:
                assert not any(name.split(".")[0] == library for name in names), f"{path} imports {library}"


@pytest.mark.parametrize(
    "code", ["import vidcam", "import sys; sys.argv = ['vidcam', '--help']; import vidcam.cli as c; c.main()"]
)
def test_import_and_help_load_nothing_heavy(code):
    script = f"import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n{code}"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(ran.stderr.split())
    assert "vidcam" in loaded
    assert not loaded & set(HEAVY)


def test_every_command_shows_its_help_without_loading_tensorflow():
    from vidcam.cli import COMMANDS

    for command in COMMANDS:
        code = (
            f"import sys; sys.argv = ['vidcam', '{command}', '--help']; import vidcam.cli as c\n"
            "try: c.main()\nfinally: print(*sys.modules, file=sys.stderr)"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "Usage: vidcam" in ran.stdout
        assert not set(ran.stderr.split()) & {"tensorflow", "av", "cv2"}


def test_every_library_that_is_imported_is_declared():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    lines = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {re.match(r"[\w-]+", line)[0].lower() for line in lines}
    named = {"PIL": "pillow", "cv2": "opencv-python", "sklearn": "scikit-learn"}
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            imported |= {named.get(name, name) for name in (module.split(".")[0] for module in modules)}
    assert len(imported) > 10
    assert imported - sys.stdlib_module_names - {"vidcam"} <= declared


def test_public_names_are_there_and_documented():
    for name in vidcam.__all__:
        value = getattr(vidcam, name)
        assert isinstance(value, str) or value.__doc__, name
    assert dir(vidcam) == sorted(vidcam.__all__)
    assert "open_source" in dir(vidcam.media)
    with pytest.raises(AttributeError, match="nothing"):
        vidcam.nothing  # noqa: B018
    assert (PACKAGE / "py.typed").exists()


def test_tensorflow_starts_without_chatter():
    code = "import vidcam; vidcam.load_model; from vidcam._tensorflow import tf; tf.constant(1) + 1; print('done')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "done\n"
    assert ran.stderr == ""
