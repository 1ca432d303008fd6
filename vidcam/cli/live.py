"""`vidcam live`: a camera, and what the network looks at, now."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidcam._options import take
from vidcam.cam.options import MapOptions
from vidcam.cli import count, printable
from vidcam.cli.options import ClockTime, Size, common_options, model_arguments, model_options, options_of
from vidcam.cli.progress import interruptible
from vidcam.render.look import Look

if TYPE_CHECKING:
    from vidcam.live import LiveResult

POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command(short_help="Show what a classifier looks at through a camera, now.")
@click.argument("source", required=False)
@model_options
@options_of(MapOptions, without=("batch_size", "explain", "explain_fps", "clip_fps", "clip_stride"))
@options_of(Look, without=("outline",))
@click.option("--camera-size", type=Size(), help="Picture size to ask a camera for.")
@click.option("--camera-fps", type=POSITIVE, help="Frames a second to ask a camera for.")
@click.option("--mirror", is_flag=True, help="Flip left and right, as a mirror does.")
@click.option("--loop", is_flag=True, help="Play a video file again and again.")
@click.option("--serve", metavar="[HOST:]PORT", help="Show the view to browsers; to this machine's, without HOST.")
@click.option(
    "--record", type=click.Path(path_type=Path), metavar="FILE", help="Record what is seen: .mp4, .mov or .mkv."
)
@click.option("--overwrite", is_flag=True, help="Let --record replace an existing file.")
@click.option("--duration", type=ClockTime(), help="End after this time: seconds or mm:ss.")
@common_options
def live(source: str | None, quiet: bool, **options: Any) -> int:
    """Show what a classifier looks at, now.

    SOURCE is a camera's index (the first that opens, where it is left out) or device, an rtsp or http address, or a
    video file, played at its own pace.

    \b
    vidcam live
    vidcam live 1 --mirror --model mobilenet_v2
    vidcam live rtsp://camera/stream --serve 8000
    vidcam live clip.mp4 --loop --record seen.mp4

    \b
    Keys: q or Esc quit, space pause, s snapshot, r record, m next method, c next colormap, + and - strength,
    t lock the class, o overlay, v next view, h lists them.
    """
    from vidcam.live import live as run_live
    from vidcam.models import load_model

    arguments = model_arguments(options)
    channels = options.pop("top_channels")  # also where key m has yet to choose Score-CAM
    how, look = take(MapOptions, options), take(Look, options)

    def say(text: str) -> None:
        if not quiet:
            click.echo(printable(text), err=True)

    with interruptible() as stop:
        result = run_live(
            source,
            model=partial(load_model, **arguments),
            how=how,
            look=look,
            top_channels=channels,
            say=say,
            cancelled=stop,
            **options,
        )
    if not quiet:
        _summary(result)
    return stop.exit_code if result.interrupted else 0


def _summary(result: LiveResult) -> None:
    for note in result.notes:
        click.echo(printable(f"note: {note}"), err=True)
    for file in result.files:
        click.echo(printable(str(file)))
    click.echo(
        f"{count(result.frames, 'frame')} shown, {result.dropped} left out, {count(result.maps, 'map')} "
        f"in {result.seconds:.1f} s; "
        f"{1000 * result.latency:.0f} ms from capture to screen"
    )
