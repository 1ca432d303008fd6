"""Options that several commands share: those of the model, and those that follow from the option objects' fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from vidcam._fits import FITS
from vidcam._options import Number, names_of
from vidcam.cam.options import MapOptions
from vidcam.errors import UsageError
from vidcam.media.times import parse_time
from vidcam.models.zoo import DEFAULT_MODEL, names

F = TypeVar("F", bound=Callable[..., Any])


class Size(click.ParamType):  # type: ignore[type-arg]
    """`224`, or `320x240` for width and height, in pixels."""

    name = "pixels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        try:
            width, height = (int(sides[0]), int(sides[-1])) if len(sides) <= 2 else (0, 0)
        except ValueError:
            width = height = 0
        if width < 1 or height < 1:
            self.fail(f"{value!r} is no size; give pixels such as 224, or WIDTHxHEIGHT", param, ctx)
        return width, height


class Grid(click.ParamType):  # type: ignore[type-arg]
    """`14x14`: rows and columns."""

    name = "grid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is no grid; give ROWSxCOLUMNS, such as 14x14", param, ctx)
        return int(match[1]), int(match[2])


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """Seconds, `mm:ss` or `hh:mm:ss`, with decimals."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_time(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


class Bytes(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes: `500kB`, `10MB`, or plain."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmMgG]?)[bB]?", str(value))
        found = round(float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[match[2].lower()]) if match else 0
        if found < 1:
            self.fail(f"{value!r} is no number of bytes; give it such as 10MB or 500kB", param, ctx)
        return found


class Color(click.ParamType):  # type: ignore[type-arg]
    """`#RRGGBB`."""

    name = "color"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", str(value))
        if match is None:
            self.fail(f"{value!r} is no colour; give #RRGGBB, such as #ffffff", param, ctx)
        red, green, blue = (int(part, 16) for part in match.groups())
        return red, green, blue


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def model_options(function: F) -> F:
    """Adds the options that say which classifier; `model_arguments` turns them into `load_model`'s."""
    return _together(
        click.option(
            "--model",
            metavar="NAME|PATH",
            default=DEFAULT_MODEL,
            show_default=True,
            help=f"A model file or folder, or one of: {', '.join(names())}.",
        ),
        loading_options,
    )(function)


def loading_options(function: F) -> F:
    """Adds the options that say how a classifier is loaded, for commands that name it otherwise than by --model."""
    return _together(
        click.option(
            "--weights", type=click.Path(path_type=Path), help="Weights of a model by name, where there is no network."
        ),
        click.option("--labels", type=click.Path(path_type=Path), help="Class names: text, one a line, or JSON."),
        click.option(
            "--preprocess",
            metavar="NAME|mean=M,std=S",
            help="What the model takes: none (0..255), unit (0..1), tf (-1..1), torch or caffe (ImageNet's ways), or "
            "mean and std in numbers, one or three each; found out where it can be.",
        ),
        click.option("--input-size", type=Size(), help="The model's input; with `keep`, its short side."),
        click.option("--fit", type=click.Choice(FITS), help="How frames of another shape are fitted to the input."),
        click.option(
            "--model-output", metavar="NAME|INDEX", help="The output that gives the classes, of a model with several."
        ),
        click.option(
            "--token-grid",
            type=Grid(),
            metavar="HxW",
            help="Rows and columns of a transformer's patches, where they cannot be found.",
        ),
        click.option(
            "--clip-frames",
            type=click.IntRange(min=1),
            metavar="N",
            help="Frames that a network that sees time is shown at once, where it takes any number.",
        ),
        click.option(
            "--custom-objects",
            type=click.Path(path_type=Path),
            metavar="FILE.py",
            help="Python file with the model's own classes; it is run.",
        ),
        click.option("--unsafe-model", is_flag=True, help="Load Lambda layers: runs code from the model file."),
    )(function)


def options_of(kind: type, *, only: Sequence[str] = (), without: Sequence[str] = ()) -> Callable[[F], F]:
    """Adds the options that the fields of a dataclass stand for, see `vidcam._options`.

    Args:
        kind: the dataclass.
        only: names of fields, where not all are wanted.
        without: names of fields that are not.
    """
    found = [f for f in fields(kind) if f.name not in without and (not only or f.name in only)]
    return _together(*(_option_of(f) for f in found))


def _option_of(f: Field[Any]) -> Callable[[F], F]:
    """Returns the option that a field stands for."""
    name, kind = f"--{f.name.replace('_', '-')}", f.metadata["kind"]
    given: dict[str, Any] = {"help": f.metadata["help"], "default": f.default, "metavar": f.metadata["metavar"]}
    if isinstance(f.default, bool):
        if f.default:
            return click.option(f"{name}/--no-{name[2:]}", show_default=True, **given)
        return click.option(name, is_flag=True, **given)
    if isinstance(kind, Number):
        number = click.IntRange if kind.whole else click.FloatRange
        given["type"] = number(min=kind.least, max=kind.most, min_open=kind.above)  # type: ignore[arg-type]
    elif isinstance(kind, tuple):
        given["type"] = click.Choice(kind)
    elif kind is not None:
        given["type"] = TYPES[kind]
    return click.option(name, show_default=f.default is not None, **given)


TYPES: dict[str, click.ParamType] = {"seconds": Seconds(), "color": Color(), "bytes": Bytes()}  # type: ignore[type-arg]


def common_options(function: F) -> F:
    """Adds what every command has."""
    return _together(
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        # Read by `vidcam.cli.main`, which prints the errors.
        click.option("--debug", is_flag=True, expose_value=False, help="Show where an error happened."),
    )(function)


MODEL_ARGUMENTS = (
    *("model", "weights", "labels", "preprocess", "input_size", "fit"),
    *("token_grid", "clip_frames", "custom_objects"),
)


MODEL_CHOICES = (
    *(*MODEL_ARGUMENTS, "unsafe_model", "model_output"),
    *(n for n in names_of(MapOptions) if n != "batch_size"),
)
"""Options that a track of maps has answered already."""


def check_unchosen(names: Sequence[str], reason: str) -> None:
    """Checks that the user has not given options that would be ignored.

    Args:
        names: parameters of the running command.
        reason: which option rules them out.

    Raises:
        UsageError: one was given.
    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.replace('_', '-')} cannot be chosen with {reason}")


def model_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the model options out of a command's options and returns them as `load_model`'s arguments."""
    arguments = {name: options.pop(name) for name in MODEL_ARGUMENTS}
    arguments["output"] = options.pop("model_output")
    return {**arguments, "unsafe": options.pop("unsafe_model")}
