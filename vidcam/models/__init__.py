"""Classifiers: names and files to a Keras model, its preprocessing, labels and the fit of frames to its input.

What explains a classifier is in `vidcam.cam`, what trains one in `vidcam.training`.
"""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy

if TYPE_CHECKING:
    from vidcam.models.archive import load_custom_objects as load_custom_objects
    from vidcam.models.archive import save_classifier as save_classifier
    from vidcam.models.classifier import Classifier as Classifier
    from vidcam.models.fit import fit_frame as fit_frame
    from vidcam.models.fit import place as place
    from vidcam.models.labels import read_labels as read_labels
    from vidcam.models.load import load_model as load_model
    from vidcam.models.preprocess import PREPROCESSING as PREPROCESSING
    from vidcam.models.zoo import names as names

_EXPORTS = {
    "load_custom_objects": "vidcam.models.archive",
    "save_classifier": "vidcam.models.archive",
    "Classifier": "vidcam.models.classifier",
    "fit_frame": "vidcam.models.fit",
    "place": "vidcam.models.fit",
    "read_labels": "vidcam.models.labels",
    "load_model": "vidcam.models.load",
    "PREPROCESSING": "vidcam.models.preprocess",
    "names": "vidcam.models.zoo",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
