"""How maps are made, as a value. Standard library only: `--help` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vidcam._options import Number, Options, option
from vidcam.cam.methods import METHODS
from vidcam.errors import UsageError


@dataclass(frozen=True, slots=True)
class MapOptions(Options):
    """How maps are made. Several methods and targets make a grid.

    Attributes:
        target: see `vidcam.cam.resolve_target`; `clip-top`, and a text of several by `/`, too.
        method: names of methods, by comma; a sequence becomes that.
        layer: as `Explainer` takes it, several by comma; a sequence becomes that.
    """

    target: str | int | Sequence[str | int] = option(
        "top",
        "`top` for each frame's best class, `clip-top` for the clip's, a class index, a label, or several; `/` between "
        "alternatives makes a grid.",
        metavar="CLASS[,CLASS][/...]",
    )
    method: str = option("gradcam", f"{', '.join(METHODS)}; several make a grid.", metavar="NAME[,NAME]")
    layer: str | None = option(
        None, "The layer to explain, or several to merge; see `vidcam inspect`.", metavar="NAME[,NAME]"
    )
    against: bool = option(False, "Show what speaks against the target.")
    rather_than: str | int | Sequence[str | int] | None = option(
        None,
        "Why the target and not this: a class, several, or `next` for each frame's best one beside the target.",
        metavar="CLASS[,CLASS]|next",
    )
    gamma: float = option(
        1.0,
        "How much the class of --rather-than counts; of several, all together.",
        kind=Number(0, above=True, whole=False),
    )
    top_channels: int | None = option(
        None,
        "Of scorecam: forward passes for the N channels that vary most, instead of all.",
        kind=Number(1),
        metavar="N",
    )
    engine: Literal["auto", "tensorflow", "openvino"] = option(
        "auto",
        "What computes; auto takes OpenVINO where it is installed and can.",
        kind=("auto", "tensorflow", "openvino"),
    )
    explain: Literal["written", "all"] = option(
        "written",
        "Which frames: those that the output keeps (of a GIF at 12 a second fewer than the source has), or all, for "
        "--predictions and --maps.",
        kind=("written", "all"),
    )
    explain_fps: float | None = option(
        None,
        "At most so many frames a second; the maps of those between are blended. All by default.",
        kind=Number(0, above=True, whole=False),
        metavar="N",
    )
    clip_fps: float | None = option(
        None,
        "Of networks that see time: the frames a second that they were shown in training. Every frame by default.",
        kind=Number(0, 1000, above=True, whole=False),
        metavar="N",
    )
    clip_stride: int | None = option(
        None,
        "Of networks that see time: a window begins every N frames, as they are sampled. Half a window by default.",
        kind=Number(1),
        metavar="N",
    )
    batch_size: int | None = option(
        None,
        "Frames computed at once: 8 by default, 4 of 1080p or on one core, 1 of 4K; or windows: 1.",
        kind=Number(1),
        metavar="N",
        decides=False,
    )

    def __post_init__(self) -> None:
        for name in ("method", "layer"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                object.__setattr__(self, name, ",".join(value))
        for name in ("target", "rather_than"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        Options.__post_init__(self)

    def check(self) -> None:
        from vidcam.cam.explainer import check_method_options
        from vidcam.cam.methods import find_method
        from vidcam.cam.run import check_engine

        methods = [find_method(name) for name in self.methods]
        scoring = [m for m in methods if m.scored] or methods[:1]
        for m in methods:
            check_method_options(m, self.against, self.top_channels if m in scoring else None, self.rather_than)
        if self.gamma != 1.0 and self.rather_than is None:
            raise UsageError(f"--gamma {self.gamma:g} goes with --rather-than")
        check_engine(self.engine)
        if self.explain == "all" and self.explain_fps is not None:
            raise UsageError(f"--explain-fps {self.explain_fps:g}: explains some frames, and --explain all every one")

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.method.split(",")))
