"""README and the pages of docs/: every command in them parses, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from vidcam.cam import METHODS
from vidcam.cli import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/*.md"), *ROOT.glob("vidcam/**/*.md")]
)
"""All Markdown of the project."""


def commands(page: Path) -> list[str]:
    """Returns the command lines of a page's shell blocks, continued lines joined."""
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.strip()]


def parse(line: str) -> None:
    """Parses every `vidcam` command of a shell line, without running it."""
    for part in line.split(" && "):
        words = shlex.split(part, comments=True)
        if not words or Path(words[0]).name != "vidcam":
            continue
        context = click.Context(cli)
        command = cli.get_command(context, words[1])
        assert command is not None, f"there is no command {words[1]}"
        command.make_context(words[1], words[2:], parent=context)


def test_readme_is_short_enough_to_be_read() -> None:
    assert (ROOT / "README.md").stat().st_size <= 10_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_parses(page: Path) -> None:
    for line in commands(page):
        try:
            parse(line)
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


def test_a_command_that_does_not_exist_is_found() -> None:
    with pytest.raises(AssertionError):
        parse("vidcam paint clip.mp4")
    with pytest.raises(click.ClickException):
        parse("cd here && .venv/bin/vidcam run clip.mp4 --colour jet")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


def anchors(page: Path) -> set[str]:
    """Returns the anchors that a Markdown page's headings get."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_benchmark_that_is_named_exists() -> None:
    for page in PAGES:
        for name in re.findall(r"python -m tests\.benchmarks\.(\w+)", page.read_text("utf-8")):
            assert (ROOT / "tests" / "benchmarks" / f"{name}.py").exists(), f"{page.name}: {name}"


def test_every_method_and_command_is_described() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    page = (ROOT / "docs" / "methods.md").read_text("utf-8").splitlines()
    for name, method in METHODS.items():
        assert f"\n| `{name}` |" in readme
        row = next(line for line in page if line.startswith(f"| `{name}` |"))
        assert row.endswith(f"| {method.paper} |")
    for command in COMMANDS:
        assert f"vidcam {command}" in readme
