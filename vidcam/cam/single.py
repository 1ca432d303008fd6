"""`CAM` and `GradCAM`: one Keras model, one picture, one map in [0, 1], for people who have just that."""

from __future__ import annotations

from typing import Any

import numpy as np

from vidcam._tensorflow import input_shape, tf
from vidcam.cam.build.network import Network
from vidcam.cam.explainer import check_head
from vidcam.cam.methods import find_method
from vidcam.cam.run.tensorflow import TensorFlow
from vidcam.cam.targets import selection_of
from vidcam.errors import UsageError
from vidcam.types import Array


class GradCAM:
    """Grad-CAM for a Keras model and pictures that are ready for it (Selvaraju et al. 2017).

    Args:
        model: any Keras image classifier; it is not changed, and its weights are taken as they are now.
        target_layer: path or name of the layer to explain; None for the last one with a map.

    Raises:
        UsageError: the model is no image classifier, or has no such layer.

    Example:
        >>> heatmap = GradCAM(model).compute_heatmap(preprocess_input(image))
    """

    _method = "gradcam"

    def __init__(self, model: Any, target_layer: str | None = None) -> None:
        self.model = model
        shape = input_shape(model)
        if shape is not None and len(shape) != 4:
            raise UsageError(f"{model.name}: its input of shape {shape} is not a picture")
        height, width, channels = shape[1:] if shape is not None else (None, None, None)
        network = Network(model, model.name, lambda x: x, (height, width, channels or 3))
        self._engine = TensorFlow(network, target_layer, "float32")
        self.target_layer = ",".join(self._engine.facts.layers)
        check_head(find_method(self._method), self._engine.facts)

    def compute_heatmap(self, image: Array, class_idx: int | None = None) -> Array:
        """Computes where the model sees a class.

        Args:
            image: as the model takes it, scaled and sized: (H, W, C) or a batch of one.
            class_idx: the class to explain, None for the top one; one sigmoid output is the classes 0 and 1.

        Returns:
            float32 (h, w) in [0, 1], the map's positive part divided by its maximum; all zeros where nothing speaks
            for the class.

        Raises:
            UsageError: the picture is no such array or the class is out of range.
        """
        image = np.asarray(image, dtype=np.float32)
        batch = image[np.newaxis] if image.ndim == 3 else image
        if batch.ndim != 4 or len(batch) != 1:
            raise UsageError(f"the image is (H, W, C) or a batch of one; this array is {image.shape}")
        classes = self._engine.facts.classes
        if class_idx is not None and not 0 <= class_idx < classes:
            raise UsageError(f"class {class_idx} is out of range; the model's classes are 0 to {classes - 1}")
        try:
            seen = self._engine.run(batch, selection_of(None if class_idx is None else [class_idx], classes))
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            raise UsageError(f"the image of shape {image.shape} does not fit {self.model.name}") from error
        raw = find_method(self._method).function(seen.activations[0], seen.gradients[0])[0]
        heat: Array = np.maximum(np.nan_to_num(raw.astype(np.float32)), 0)
        peak = heat.max()
        return heat / peak if peak > 0 else heat


class CAM(GradCAM):
    """Class activation mapping for a model with a global-average-pooling + dense head (Zhou et al. 2016).

    Args:
        model: any Keras image classifier with such a head; see `GradCAM`.
        target_layer: path or name of the layer before the pooling; None to find it.

    Raises:
        UsageError: the model has another head, or see `GradCAM`.
    """

    _method = "cam"
