"""The main job: source -> explainer -> render -> sink, with the stages overlapped and the memory bounded."""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy

if TYPE_CHECKING:
    from vidcam.pipeline.comparing import compare as compare
    from vidcam.pipeline.one_clip import run as run
    from vidcam.pipeline.result import Result as Result

_EXPORTS = {
    "Result": "vidcam.pipeline.result",
    "compare": "vidcam.pipeline.comparing",
    "run": "vidcam.pipeline.one_clip",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
