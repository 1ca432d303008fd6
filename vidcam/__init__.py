"""vidcam shows what an image classifier looks at while a video plays.

The names below are imported on first use: `import vidcam` loads neither TensorFlow, OpenCV nor PyAV.
"""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy
from vidcam._version import __version__ as __version__
from vidcam.errors import Interrupted as Interrupted
from vidcam.errors import UsageError as UsageError
from vidcam.errors import VidcamError as VidcamError

if TYPE_CHECKING:
    from vidcam.batch import run_batch as run_batch
    from vidcam.cam import CAM as CAM
    from vidcam.cam import ClipExplainer as ClipExplainer
    from vidcam.cam import Explainer as Explainer
    from vidcam.cam import GradCAM as GradCAM
    from vidcam.models import Classifier as Classifier
    from vidcam.models import load_model as load_model
    from vidcam.pipeline import compare as compare
    from vidcam.pipeline import run as run
    from vidcam.render import overlay as overlay
    from vidcam.types import Explanation as Explanation
    from vidcam.types import Track as Track

_EXPORTS = {
    "CAM": "vidcam.cam",
    "Classifier": "vidcam.models",
    "ClipExplainer": "vidcam.cam",
    "Explainer": "vidcam.cam",
    "Explanation": "vidcam.types",
    "GradCAM": "vidcam.cam",
    "Track": "vidcam.types",
    "compare": "vidcam.pipeline",
    "load_model": "vidcam.models",
    "overlay": "vidcam.render",
    "run": "vidcam.pipeline",
    "run_batch": "vidcam.batch",
}
__all__ = ["Interrupted", "UsageError", "VidcamError", "__version__", *_EXPORTS]  # noqa: PLE0604
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
