"""`vidcam evaluate --steady`: how steady the heat of clips is, by each way of smoothing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidcam._files import make_folder, write_text
from vidcam.cam.targets import CLIP_TOP
from vidcam.cli.progress import interruptible
from vidcam.cli.steps import Steps
from vidcam.errors import UsageError
from vidcam.models.zoo import DEFAULT_MODEL

if TYPE_CHECKING:
    from vidcam.types import Classifier

SHORT_CLIP = 3
"""Frames below which nothing can be said about steadiness."""


def split_arguments(arguments: Sequence[str]) -> tuple[str, list[Path]]:
    """Tells the model from the clips.

    Args:
        arguments: `[MODEL] CLIP...`.

    Returns:
        The model, the one that ships with vidcam where the first argument is a clip, and the clips.

    Raises:
        UsageError: there is no clip, or one is no file.
    """
    from vidcam.models.load import MODEL_SUFFIXES

    first = Path(arguments[0])
    is_clip = first.is_file() and first.suffix.lower() not in (*MODEL_SUFFIXES, ".vidcam")
    clips = [Path(name) for name in (arguments if is_clip else arguments[1:])]
    if not clips:
        raise UsageError(f"--steady: {first} is no clip; vidcam evaluate [MODEL] CLIP... --steady")
    for clip in clips:
        if not clip.exists():
            raise UsageError(f"{clip}: no such file")
    return (DEFAULT_MODEL if is_clip else arguments[0]), clips


def evaluate_steady(
    clips: Sequence[Path], output: Path | None, steps: Steps, model: dict[str, Any], **options: Any
) -> int:
    """Measures clips, prints a table of each and of their means, and writes them.

    Args:
        clips: the files.
        output: the folder to write into; None for MODEL_steady.
        steps: progress and printing.
        model: `load_model`'s arguments, and `layer`.
        **options: `method`, `target` and `engine`.

    Returns:
        The exit code: Ctrl-C ends it after a clip, and what was measured is written.
    """
    from vidcam.metrics.clips import mean_rows
    from vidcam.models import load_model
    from vidcam.report import faithfulness as report

    options["layer"] = model.pop("layer")
    classifier = load_model(**model)
    output = output or Path(f"{classifier.name}_steady")
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output}: is a file; name a folder")
    rows: list[dict[str, Any]] = []
    pages: list[str] = []
    with interruptible() as stop:
        for clip in clips:
            found, title = _measured(clip, classifier, steps, options)
            rows += [{"clip": clip.name, **row} for row in found]
            steps.say(title)
            steps.say(report.table(found))
            pages.append(f"## {title}\n\n{report.table(found, markdown=True)}\n")
            if stop():
                break
    if len(pages) > 1:
        means = mean_rows(rows)
        steps.say(f"mean of {len(pages)} clips")
        steps.say(report.table(means))
        pages.append(f"## Mean of {len(pages)} clips\n\n{report.table(means, markdown=True)}\n")
    make_folder(output)
    report.write_csv(rows, output / "steady.csv")
    write_text(output / "steady.md", "\n".join(pages))
    return 0 if len({row["clip"] for row in rows}) == len({c.name for c in clips}) else stop.exit_code


def _measured(
    clip: Path, classifier: Classifier, steps: Steps, options: dict[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """Returns a clip's rows, and what to call them."""
    from vidcam.media import open_source
    from vidcam.metrics.clips import measure_steadiness
    from vidcam.pipeline.scenes import Scenes

    with open_source(clip) as source:
        expected = source.info.frames
        if source.info.kind == "image" or (expected is not None and expected < SHORT_CLIP):
            raise UsageError(f"{clip}: steadiness needs a clip of at least {SHORT_CLIP} frames")

    def told(done: int) -> None:
        steps.step(clip.name, done, expected or done)

    title, target = f"{clip.name}, {classifier.name}", options["target"]
    if target == CLIP_TOP:
        target = clip_top(clip, classifier, told, options)
        title += f", {classifier.labels[target]}, its best class"
    with open_source(clip) as source:
        found = measure_steadiness(
            classifier, source, cut=Scenes().cut, expected=expected, progress=told, **{**options, "target": target}
        )
    return found, title


def clip_top(clip: Path, classifier: Classifier, told: Callable[[int], None], options: dict[str, Any]) -> int:
    """Returns the class that a clip shows most, for who asks for `clip-top`.

    Args:
        clip: the file.
        classifier: what classifies it.
        told: called with the frames done.
        options: `layer` and `engine`, and others.
    """
    from vidcam.media import open_source
    from vidcam.metrics.clips import best_class

    with open_source(clip) as source:
        return best_class(classifier, source, layer=options["layer"], engine=options["engine"], progress=told)
