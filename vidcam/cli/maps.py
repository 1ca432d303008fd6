"""`vidcam evaluate --maps`: what class activation maps are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vidcam._files import make_folder, write_text
from vidcam.cam.targets import CLIP_TOP
from vidcam.cli.progress import interruptible
from vidcam.cli.steady import clip_top
from vidcam.cli.steps import Steps
from vidcam.errors import UsageError

DEFAULT_METHOD = "gradcam"
SHORT_CLIP = 3
"""Frames below which nothing can be said about flicker."""


def evaluate_maps(
    data: Path,
    output: Path | None,
    steps: Steps,
    model: dict[str, Any],
    *,
    maps: str | None,
    limit: int | None,
    boxes: Path | None,
    masks: Path | None,
    **options: Any,
) -> int:
    """Measures methods, prints the table and writes it, the rows it is made of, and a plot.

    Args:
        data: a folder, a picture or a clip.
        output: the folder to write into; None for MODEL_maps.
        steps: progress and printing.
        model: `load_model`'s arguments.
        maps: the methods, by comma; None for Grad-CAM, and for what lies on the thing only.
        limit: so many pictures at most.
        boxes: see `find_subjects`.
        masks: see `find_subjects`.
        **options: `target`, `seed`, `top_channels` and `engine`.

    Returns:
        The exit code: Ctrl-C ends it after a picture, and what was measured is written.
    """
    from vidcam.metrics.faithfulness import check_methods, measure_pictures, summarize
    from vidcam.metrics.subjects import find_subjects
    from vidcam.models import load_model
    from vidcam.report import faithfulness as report

    methods = check_methods((maps or DEFAULT_METHOD).split(","), options["top_channels"])
    subjects = find_subjects(data, limit, options["seed"], boxes=boxes, masks=masks)
    if (boxes or masks) and not subjects.things:
        raise UsageError(f"{data}: --boxes and --masks take a folder of pictures; those of a clip go with `vidcam run`")
    options["layer"] = model.pop("layer")
    classifier = load_model(**model)
    output = output or Path(f"{classifier.name}_maps")
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output}: is a file; name a folder")
    code = 0
    if subjects.clip:
        summary = _clip(data, classifier, methods, steps, options)
        title = f"{data.name}, {classifier.name}"
    else:
        with interruptible() as stop:
            rows = measure_pictures(
                classifier,
                subjects.pictures(),
                methods,
                count=len(subjects.files),
                progress=lambda done, total: steps.step("maps", done, total),
                cancelled=stop,
                perturbed=maps is not None,
                **options,
            )
        summary = summarize(rows)
        done = sum(row["method"] == methods[0] for row in rows)
        code = 0 if done == len(subjects.files) else stop.exit_code
        title = f"{data.name}: {done} pictures, {classifier.name}"
        steps.say(title)
        make_folder(output)
        report.write_csv(rows, output / "pictures.csv")
    make_folder(output)
    report.write_csv(summary, output / "maps.csv")
    report.plot(summary, output / "maps.png", title)
    write_text(output / "maps.md", report.table(summary, markdown=True) + "\n")
    steps.say(report.table(summary))
    if boxes or masks:
        steps.say(report.on_the_thing(summary, done))
    return code


def _clip(data: Path, classifier: Any, methods: Any, steps: Steps, options: dict[str, Any]) -> Any:
    from vidcam.media import open_source
    from vidcam.metrics.clips import measure_clip

    with open_source(data) as source:
        expected = source.info.frames
        if expected is not None and expected < SHORT_CLIP:
            raise UsageError(f"{data}: flicker needs at least {SHORT_CLIP} frames")

    def told(done: int) -> None:
        steps.step("frames", done, expected or done)

    if options["target"] == CLIP_TOP:
        options = {**options, "target": clip_top(data, classifier, told, options)}
    with open_source(data) as source:
        return measure_clip(classifier, source, methods, progress=told, **options)
