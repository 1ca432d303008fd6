"""Who takes part in `tests.benchmarks.peers`: for each, how it is called.

Each is made in a process of its own, from a folder that `peers` has filled: `frames.npy` (uint8 RGB (N, 224, 224, 3)),
`classes.npy` (each frame's best class), `network.keras` and `weights.npz` (the variables by path). What a user would do
once is done once, before the clock runs: loading, building, converting the frames to what the call takes. All but
vidcam get float pixels that are scaled already; vidcam gets uint8 pixels. What is explained is each frame's best class,
which the call has to find.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

LAYER = "out_relu"
EXPLAIN, FORWARD, GIVEN = "explain", "forward", "given"


@dataclass(frozen=True)
class Contestant:
    """Something that explains frames.

    Attributes:
        batch: makes what a call takes of some of the frames.
        calls: what can be measured; each takes a batch and returns maps or logits, computed and in NumPy.
        packages: whose versions matter.
        enlarged: how the maps were brought to the input's size, `bilinear` or `bicubic`; None where they were not.
    """

    batch: Callable[[slice], Any]
    calls: Mapping[str, Callable[[Any], np.ndarray]]
    packages: tuple[str, ...]
    enlarged: str | None = None


def scaled(folder: Path) -> np.ndarray:
    """Returns the frames as the network takes them, float32 (N, 224, 224, 3), -1 to 1."""
    return np.load(folder / "frames.npy").astype(np.float32) / 127.5 - 1.0


def keras_network(folder: Path) -> Any:
    """Returns the Keras model up to the logits, which spares the peers the softmax and its saturation."""
    import keras

    weights = np.load(folder / "weights.npz")
    classes = weights["predictions/bias"].shape[0]
    model = keras.applications.MobileNetV2(weights=None, classes=classes, classifier_activation=None)
    for variable in model.weights:
        variable.assign(weights[variable.path])
    return model


def eager(folder: Path) -> Contestant:
    """A tape around the whole model, operation by operation, as the Grad-CAM example of the Keras documentation has it.

    https://keras.io/examples/vision/grad_cam/ makes the model with two outputs anew for each picture. Here it is made
    once, which was measured to cost the same.
    """
    import keras
    import tensorflow as tf

    model = keras_network(folder)
    watched = keras.Model(model.inputs, [model.get_layer(LAYER).output, model.output])

    def explain(x: Any) -> np.ndarray:
        with tf.GradientTape() as tape:
            features, scores = watched(x)
            best = tf.gather(scores, tf.argmax(scores, axis=1), axis=1, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(best, features), axis=(1, 2))
        heat = tf.maximum(tf.einsum("bhwk,bk->bhw", features, weights), 0.0)
        return (heat / tf.reduce_max(heat, axis=(1, 2), keepdims=True)).numpy()

    frames = tf.constant(scaled(folder))
    return Contestant(lambda part: frames[part], {EXPLAIN: explain}, ("tensorflow", "keras"))


def tf_keras_vis(folder: Path) -> Contestant:
    """tf-keras-vis; without enlarging the map, which is quickest, and with the best logit as the score."""
    import tensorflow as tf
    from tf_keras_vis.gradcam import Gradcam

    gradcam = Gradcam(keras_network(folder), clone=False)
    options = {"penultimate_layer": LAYER, "seek_penultimate_conv_layer": False, "expand_cam": False}
    frames = scaled(folder)
    return Contestant(
        lambda part: frames[part],
        {EXPLAIN: lambda x: np.asarray(gradcam(lambda scores: tf.reduce_max(scores, axis=1), x, **options))},
        ("tf-keras-vis", "tensorflow", "keras"),
    )


def xplique(folder: Path) -> Contestant:
    """xplique, whose passes are compiled graphs (`tf.function`) already; its maps are always enlarged.

    It has to be told the class to explain, so that a frame's best class takes a prediction first; `given` leaves that
    out and gives it the classes.
    """
    import tensorflow as tf
    from xplique.attributions import GradCAM

    model = keras_network(folder)
    explainer = GradCAM(model, conv_layer=LAYER, batch_size=8)
    frames, known = scaled(folder), np.load(folder / "classes.npy")

    def given(batch: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        x, classes = batch
        return explainer.explain(x, tf.one_hot(classes, model.output.shape[1])).numpy()[..., 0]

    return Contestant(
        lambda part: (frames[part], known[part]),
        {EXPLAIN: lambda b: given((b[0], model.predict_on_batch(b[0]).argmax(axis=1))), GIVEN: given},
        ("xplique", "tensorflow", "keras"),
        "bicubic",
    )


def _torch(folder: Path) -> tuple[Any, Any]:
    import torch

    from tests.benchmarks.torch_network import load

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = load(np.load(folder / "weights.npz"))
    return model, torch.from_numpy(scaled(folder).transpose(0, 3, 1, 2).copy())


def torch_cam(folder: Path) -> Contestant:
    """torch-cam, which differentiates the head alone; and the plain forward pass in PyTorch, for comparison."""
    import torch
    from torchcam.methods import GradCAM

    model, frames = _torch(folder)
    extractor = GradCAM(model, target_layer=model.features, input_shape=(3, 224, 224))

    def explain(x: Any) -> np.ndarray:
        scores = model(x)
        return extractor(scores.argmax(dim=1).tolist(), scores)[0].numpy()

    def forward(x: Any) -> np.ndarray:
        extractor.disable_hooks()
        with torch.inference_mode():
            scores = model(x).numpy()
        extractor.enable_hooks()
        return scores

    return Contestant(lambda part: frames[part], {EXPLAIN: explain, FORWARD: forward}, ("torchcam", "torch"))


def pytorch_grad_cam(folder: Path) -> Contestant:
    """pytorch-grad-cam; its maps are always enlarged.

    It imports torchvision for helpers that no Grad-CAM of a classifier runs: transforms of pictures and the boxes of
    detectors. Where torchvision is missing or does not load, empty stand-ins take the places of those names.
    """
    if not _loads("torchvision"):
        transforms = types.ModuleType("torchvision.transforms")
        functional = types.ModuleType("torchvision.transforms.functional")
        transforms.Compose = transforms.Normalize = transforms.ToTensor = functional.resize = None
        transforms.functional = functional
        vision = types.ModuleType("torchvision")
        vision.transforms = transforms
        sys.modules |= {m.__name__: m for m in (vision, transforms, functional)}
    from pytorch_grad_cam import GradCAM

    model, frames = _torch(folder)
    cam = GradCAM(model=model, target_layers=[model.features])
    return Contestant(
        lambda part: frames[part],
        {EXPLAIN: lambda x: cam(input_tensor=x, targets=None)},
        ("grad-cam", "torch"),
        "bilinear",
    )


def _loads(module: str) -> bool:
    if importlib.util.find_spec(module) is None:
        return False
    try:
        importlib.import_module(module)
    except (ImportError, RuntimeError):
        for name in [n for n in sys.modules if n.split(".")[0] == module]:
            del sys.modules[name]
        return False
    return True


def vidcam(folder: Path, engine: str) -> Contestant:
    """vidcam on one engine, and the plain forward pass of the same frozen graph there; both give the class, too."""
    import vidcam

    classifier = vidcam.load_model(folder / "network.keras", preprocess="tf", fit="squash")
    explainer = vidcam.Explainer(classifier, engine=engine)
    frames = np.load(folder / "frames.npy")
    _, placement = classifier.prepare(frames[0])
    packages = ("vidcam", "tensorflow", "keras", *(["openvino"] if engine == "openvino" else []))
    return Contestant(
        lambda part: list(frames[part]),
        {
            EXPLAIN: lambda batch: explainer.explain_inputs(batch, placement).maps,
            FORWARD: lambda batch: explainer.predict(batch)[0],
        },
        packages,
    )


CONTESTANTS: dict[str, Callable[[Path], Contestant]] = {
    "GradientTape, eager": eager,
    "tf-keras-vis": tf_keras_vis,
    "xplique": xplique,
    "torch-cam": torch_cam,
    "pytorch-grad-cam": pytorch_grad_cam,
    "vidcam, TensorFlow": partial(vidcam, engine="tensorflow"),
    "vidcam, OpenVINO": partial(vidcam, engine="openvino"),
}
"""By the name in the table. Those that begin with `vidcam` are vidcam's; others' maps are compared with the first's."""
