"""Options that several commands share, in groups: the model, the target and method, the look of pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from vidcam.cam import METHODS
from vidcam.cam.run import ENGINES
from vidcam.errors import UsageError
from vidcam.media import PRESETS
from vidcam.media.times import parse_time
from vidcam.models.zoo import DEFAULT_MODEL, names
from vidcam.types import FITS

F = TypeVar("F", bound=Callable[..., Any])
OPACITIES = ("uniform", "heat")
VIEWS = ("overlay", "heatmap", "side-by-side", "timeline")


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
            type=click.Choice(["none", "unit", "tf", "torch", "caffe"]),
            help="What the model takes: 0..255, 0..1, -1..1, or ImageNet's conventions; found out where it can be.",
        ),
        click.option("--input-size", type=Size(), help="The model's input; with `keep`, its short side."),
        click.option("--fit", type=click.Choice(FITS), help="How frames of another shape are fitted to the input."),
        click.option(
            "--layer", metavar="NAME[,NAME]", help="The layer to explain, or several to merge; see `vidcam inspect`."
        ),
        click.option(
            "--custom-objects",
            type=click.Path(path_type=Path),
            metavar="FILE.py",
            help="Python file with the model's own classes; it is run.",
        ),
        click.option("--unsafe-model", is_flag=True, help="Load Lambda layers: runs code from the model file."),
    )(function)


def target_options(function: F) -> F:
    """Adds the options that say what is explained, and by which method."""
    return _together(
        click.option(
            "--target",
            default="top",
            show_default=True,
            metavar="CLASS[,CLASS][/...]",
            help="`top` for each frame's best class, `clip-top` for the clip's, a class index, a label, or several; "
            "`/` between alternatives makes a grid.",
        ),
        click.option(
            "--method",
            default="gradcam",
            show_default=True,
            metavar="NAME[,NAME]",
            help=f"{', '.join(METHODS)}; several make a grid.",
        ),
        click.option("--against", is_flag=True, help="Show what speaks against the target."),
        click.option(
            "--top-channels",
            type=click.IntRange(min=1),
            metavar="N",
            help="Of scorecam: forward passes for the N channels that vary most, instead of all.",
        ),
    )(function)


def engine_options(function: F) -> F:
    """Adds the options that say what computes the maps."""
    return _together(
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default="auto",
            show_default=True,
            help="What computes; auto takes OpenVINO where it is installed and can.",
        ),
    )(function)


def look_options(function: F) -> F:
    """Adds the options that say how pictures are drawn."""
    return _together(
        click.option("--colormap", default="jet", show_default=True, help="A colour map of OpenCV."),
        click.option(
            "--alpha", type=click.FloatRange(0.0, 1.0), default=0.4, show_default=True, help="Share of the colours."
        ),
        click.option(
            "--opacity",
            type=click.Choice(OPACITIES),
            default="uniform",
            show_default=True,
            help="With `heat`, cold parts stay clear.",
        ),
        click.option("--view", type=click.Choice(VIEWS), default="overlay", show_default=True),
        click.option("--caption/--no-caption", default=True, show_default=True, help="Class and probability."),
        click.option("--colorbar", is_flag=True, help="A colour bar with the raw values at its ends."),
        click.option(
            "--normalize",
            default="running",
            show_default=True,
            metavar="frame|running|clip|fixed=V",
            help="What is hottest: each frame's maximum, a slowly moving one, the clip's, or the raw value V.",
        ),
        click.option(
            "--smooth",
            type=click.FloatRange(min=0.0),
            default=0.1,
            show_default=True,
            metavar="SECONDS",
            help="How slowly heat follows; 0 for at once.",
        ),
    )(function)


def media_options(function: F) -> F:
    """Adds the options that say how files are read and written."""
    return _together(
        click.option("--max-size", type=click.IntRange(min=1), help="Longer side of the frames, at most."),
        click.option("--max-pixels", type=click.IntRange(min=1), help="Refuse larger frames; fits 8K by default."),
        click.option("--background", type=Color(), help="Behind transparent pixels, as #RRGGBB; white by default."),
        click.option(
            "--fps",
            type=click.FloatRange(min=0, min_open=True),
            help="Frames a second: at most so many in a GIF or WebP; of a folder of pictures, its pace.",
        ),
        click.option("--width", type=click.IntRange(min=1), help="Of a GIF or WebP, in pixels."),
        click.option("--loop", type=click.IntRange(0, 65535), help="Times a GIF or WebP plays; 0 for ever."),
        click.option("--crf", type=click.IntRange(0, 51), help="H.264 quality, 0 is best; 20 by default."),
        click.option("--preset", type=click.Choice(PRESETS), help="H.264 speed; veryfast by default."),
        click.option("--audio/--no-audio", default=True, show_default=True, help="Keep the sound."),
    )(function)


def common_options(function: F) -> F:
    """Adds what every command has."""
    return _together(
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        # Read by `vidcam.cli.main`, which prints the errors.
        click.option("--debug", is_flag=True, expose_value=False, help="Show where an error happened."),
    )(function)


MODEL_ARGUMENTS = ("model", "weights", "labels", "preprocess", "input_size", "fit", "custom_objects")


MODEL_CHOICES = (
    *(*MODEL_ARGUMENTS, "unsafe_model", "layer", "target", "method", "against", "top_channels"),
    "engine",
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
    return {**arguments, "unsafe": options.pop("unsafe_model"), "layer": options.pop("layer")}
