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
from vidcam.cli import count
from vidcam.errors import UsageError
from vidcam.media.times import parse_time
from vidcam.models.zoo import DEFAULT_MODEL, MOST_MODELS, names

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


class GridSize(click.ParamType):  # type: ignore[type-arg]
    """`14x14`: rows and columns."""

    name = "grid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is no grid; give ROWSxCOLUMNS, such as 14x14", param, ctx)
        return int(match[1]), int(match[2])


class ClockTime(click.ParamType):  # type: ignore[type-arg]
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


class HexColor(click.ParamType):  # type: ignore[type-arg]
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


class Own(click.ParamType):  # type: ignore[type-arg]
    """A value of another type, or `-` for what a model says of itself, where there are several models.

    Args:
        type: the other type.
    """

    def __init__(self, type: click.ParamType) -> None:  # type: ignore[type-arg]
        self.name = type.name
        self._type = type

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return None if value == "-" else self._type.convert(value, param, ctx)


def model_options(function: F) -> F:
    """Adds the options that say which classifier; `model_arguments` turns them into `load_model`'s."""
    return _together(_model_option(several=False), loading_options)(function)


def models_options(function: F) -> F:
    """Adds the options that say which classifiers, one or several; see `models_arguments`."""
    return _together(_model_option(several=True), several_loading_options)(function)


def _model_option(*, several: bool) -> Callable[[F], F]:
    text = f"A model file or folder, or one of: {', '.join(names())}."
    text += " Several, up to four, are compared." if several else ""
    default: Any = (DEFAULT_MODEL,) if several else DEFAULT_MODEL
    return click.option("--model", metavar="NAME|PATH", default=default, show_default=True, multiple=several, help=text)


def loading_options(function: F) -> F:
    """Adds the options that say how a classifier is loaded, for commands that name it otherwise than by --model."""
    return _together(*_of_each(several=False), *_of_all())(function)


def several_loading_options(function: F) -> F:
    """Adds the same for several classifiers: each option once for all of them, or once for each."""
    layer = next(f for f in fields(MapOptions) if f.name == "layer")
    own = click.option(
        "--layer", type=Own(click.STRING), multiple=True, metavar=layer.metadata["metavar"], help=layer.metadata["help"]
    )
    return _together(*_of_each(several=True), own, *_of_all())(function)


def _of_each(*, several: bool) -> list[Callable[[F], F]]:
    """Returns the options of which several models may have one each."""
    path: click.ParamType = click.Path(path_type=Path)  # type: ignore[type-arg]
    kinds: dict[str, tuple[click.ParamType, str | None, str]] = {  # type: ignore[type-arg]
        "--weights": (path, None, "Weights of a model by name, where there is no network."),
        "--labels": (path, None, "Class names: text, one a line, or JSON."),
        "--preprocess": (
            click.STRING,
            "NAME|mean=M,std=S",
            "What the model takes: none (0..255), unit (0..1), tf (-1..1), torch or caffe (ImageNet's ways), or mean "
            "and std in numbers, one or three each; found out where it can be.",
        ),
        "--input-size": (Size(), None, "The model's input; with `keep`, its short side."),
        "--fit": (
            click.Choice(FITS),
            f"[{'|'.join(FITS)}]",
            "How frames of another shape are fitted to the input."
            + (" Of several models each may have its own: the option for each in turn, - for none." if several else ""),
        ),
        "--model-output": (
            click.STRING,
            "NAME|INDEX",
            "The output that gives the classes, of a model with several.",
        ),
        "--token-grid": (
            GridSize(),
            "HxW",
            "Rows and columns of a transformer's patches, where they cannot be found.",
        ),
        "--clip-frames": (
            click.IntRange(min=1),
            "N",
            "Frames that a network that sees time is shown at once, where it takes any number.",
        ),
    }
    return [
        click.option(name, type=Own(kind) if several else kind, multiple=several, metavar=metavar, help=text)
        for name, (kind, metavar, text) in kinds.items()
    ]


def _of_all() -> list[Callable[[F], F]]:
    """Returns the options that all models have in common."""
    return [
        click.option(
            "--custom-objects",
            type=click.Path(path_type=Path),
            metavar="FILE.py",
            help="Python file with the model's own classes; it is run.",
        ),
        click.option("--unsafe-model", is_flag=True, help="Load Lambda layers: runs code from the model file."),
    ]


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


TYPES: dict[str, click.ParamType] = {"seconds": ClockTime(), "color": HexColor(), "bytes": Bytes()}  # type: ignore[type-arg]


def common_options(function: F) -> F:
    """Adds what every command has."""
    return _together(
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        # Read by `vidcam.cli.main`, which prints the errors.
        click.option("--debug", is_flag=True, expose_value=False, help="Show where an error happened."),
    )(function)


EACH = ("weights", "labels", "preprocess", "input_size", "fit", "model_output", "token_grid", "clip_frames")
"""Options of which several models may have one each."""
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


def models_arguments(options: dict[str, Any], models: Sequence[str]) -> list[dict[str, Any]]:
    """Takes the options of several models out of a command's options and returns `load_model`'s arguments for each.

    A layer of the only model, or one for all of them, stays among the command's options.

    Args:
        options: the command's.
        models: names or files, one at least.

    Raises:
        UsageError: there are too many, or an option is given neither once nor once for each model.
    """
    if len(models) > MOST_MODELS:
        raise UsageError(
            f"--model is given {len(models)} times; up to {MOST_MODELS} models can be compared on one clip"
        )
    given = {name: options.pop(name) for name in (*EACH, "layer")}
    common = {"custom_objects": options.pop("custom_objects"), "unsafe": options.pop("unsafe_model")}
    arguments = [{"model": model, **common} for model in models]
    for name, values in given.items():
        if len(values) not in (0, 1, len(models)):
            option = f"--{name.replace('_', '-')}"
            each = f"once, or {len(models)} times, - for a model's own" if len(models) > 1 else "once"
            raise UsageError(f"{option} is given {len(values)} times for {count(len(models), 'model')}; give it {each}")
        if name == "layer" and len(values) < 2:
            options["layer"] = values[0] if values else None
            continue
        key = "output" if name == "model_output" else name
        for i, own in enumerate(arguments):
            own[key] = (values[0] if len(values) == 1 else values[i]) if values else None
    return arguments
