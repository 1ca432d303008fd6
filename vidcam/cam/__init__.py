"""The mathematics: from a classifier and pictures to raw class activation maps.

What a classifier is, is said in `vidcam.models`; what becomes of a map on a screen, in `vidcam.render`.
"""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy
from vidcam.cam.methods import METHODS as METHODS
from vidcam.cam.methods import find_method as find_method
from vidcam.cam.targets import alternatives as alternatives
from vidcam.cam.targets import resolve_target as resolve_target
from vidcam.cam.targets import target_name as target_name

if TYPE_CHECKING:
    from vidcam.cam.clips import ClipExplainer as ClipExplainer
    from vidcam.cam.explainer import Explainer as Explainer
    from vidcam.cam.single import CAM as CAM
    from vidcam.cam.single import GradCAM as GradCAM

_EXPORTS = {
    "ClipExplainer": "vidcam.cam.clips",
    "Explainer": "vidcam.cam.explainer",
    "CAM": "vidcam.cam.single",
    "GradCAM": "vidcam.cam.single",
}
__all__ = ["METHODS", "alternatives", "find_method", "resolve_target", "target_name", *_EXPORTS]  # noqa: PLE0604
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
