"""Other people's model files: each opens, or is refused for the reason that the data's own table gives."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vidcam.cam import Explainer
from vidcam.errors import VidcamError
from vidcam.models import load_model
from vidcam.types import Track

OPENS = {
    "teachable_machine/cat_dog": {},
    "teachable_machine/mask": {},
    "teachable_machine/rock_paper_scissors": {},
    "teachable_machine/chest_xray": {},
    "keras2/flowers__fdmobilenet_0.25_128_tfs.h5": {"preprocess": "mean=255,std=255"},
    "keras2/flowers__mobilenet_v1_0.25_224_tl.h5": {},
    "keras2/flowers__mobilenet_v1_0.25_96_grayscale_tfs.h5": {},
    "keras2/flowers__mobilenet_v2_0.35_128_tfs.h5": {"preprocess": "tf"},
    "keras2/flowers__squeezenetv1.1_128_tfs.h5": {"preprocess": "tf"},
    "keras2/flowers__fdmobilenet_0.25_128_tfs_int8.tflite": {},
    "keras2/flowers__mobilenet_v1_0.25_224_tl_int8.tflite": {},
    "keras2/flowers__mobilenet_v1_0.25_96_grayscale_tfs_int8.tflite": {},
    "keras2/flowers__mobilenet_v2_0.35_128_tfs_int8.tflite": {},
    "keras2/flowers__squeezenetv1.1_128_tfs_int8.tflite": {},
    "keras2/flowers__st_efficientnet_lc_v1_128_tfs_int8.tflite": {},
    "keras2/person__mobilenet_v2_0.35_128_tfs.h5": {"preprocess": "tf"},
    "keras2/person__mobilenet_v2_0.35_128_tfs_int8.tflite": {},
    "keras2/imagenet__mobilenet_v1_0.25_224.h5": {},
    "keras2/person__vww_96.h5": {"preprocess": "unit"},
    "saved_model/face_liveness": {"preprocess": "unit"},
    "onnx/imagenet__SqueezeNet_fp16.onnx": {"preprocess": "torch"},
    "onnx/mobilenet_v2_128_0.5.onnx": {"preprocess": "unit"},
    "onnx/mnist.onnx": {},
    "tflite/imagenet__mobilenet_v2_1.0_224_quant.tflite": {},
    "tflite/imagenet__mobilenet_v1_0.25_224_metadata.tflite": {},
}
REFUSED = {
    "keras2/flowers__st_efficientnet_lc_v1_128_tfs.h5": (
        {"unsafe": True},
        r"'lambda\w*' \(Lambda\) is code of another",
    ),
    "keras2/cifar10__st_resnet_8_hybrid_v1_32_tfs.h5": ({}, "of the class QuantConv2D, which Keras does not have"),
    "saved_model/digits": ({}, "has no convolution and no attention, so nothing in it has positions"),
    "onnx/detection__FastestDet.onnx": ({}, "a detector or segmenter"),
    "tflite/segmentation__deeplabv3.tflite": ({}, "a detector or segmenter"),
    "tflite/video__movinet_a0_stream.tflite": ({}, "takes 44 inputs, as a streaming video network does"),
}
PAIRS = [name.removesuffix("_int8.tflite") for name in OPENS if name.endswith("_int8.tflite")]
PAIRS = [name for name in PAIRS if f"{name}.h5" in OPENS]


@pytest.fixture(scope="module")
def files(shared_data):
    return shared_data / "models"


def test_every_file_of_the_data_is_in_a_table(files):
    found = {
        path.relative_to(files).as_posix() for path in files.rglob("*") if path.suffix in (".h5", ".tflite", ".onnx")
    }
    found |= {path.parent.relative_to(files).as_posix() for path in files.glob("saved_model/*/saved_model.pb")}
    found = {name.removesuffix("/keras_model.h5") for name in found}
    assert found == OPENS.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", OPENS)
def test_a_file_opens_and_is_explained(files, name):
    classifier = load_model(files / name, **OPENS[name])
    assert classifier.preprocess_from
    if name.startswith("teachable_machine") and "cat_dog" not in name:
        return  # the same network with other weights
    width, height = classifier.input_size
    frames = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    explanation = Explainer(classifier, engine="tensorflow" if name.endswith(".h5") else "auto")(frames)
    assert explanation.maps.shape[0] == 2
    assert np.isfinite(explanation.maps).all()
    assert np.abs(explanation.maps).max() > 0
    assert explanation.probabilities.shape == (2, len(classifier.labels))


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_for_its_reason(files, name):
    options, reason = REFUSED[name]
    with pytest.raises(VidcamError, match=reason) as caught:
        load_model(files / name, **options)
    assert "\n" not in str(caught.value)
    assert name.rsplit("/", 1)[-1] in str(caught.value)


def ranks(values):
    """Returns the ranks of values, those of equal ones their mean: a map behind a ReLU has many zeros."""
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_network_in_int8_sees_what_it_sees_in_float(files, shared_data, name):
    """Six networks on photographs of pets, the class that the float network names."""
    float_, small = load_model(files / f"{name}.h5", **OPENS[f"{name}.h5"]), load_model(files / f"{name}_int8.tflite")
    first, second = Explainer(float_, "cam" if "squeeze" not in name else "gradcam"), Explainer(small, "gradcam")
    same, alike = [], []
    for path in sorted((shared_data / "pets" / "images").glob("*.jpg")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        expected = first([picture])
        found = second([picture], int(expected.targets[0][0]))
        if expected.probabilities.max() > 0.7:
            same.append(found.logits.argmax() == expected.logits.argmax())
        a, b = expected.maps[0], found.maps[0]
        assert a.shape == b.shape
        if np.ptp(a) > 0 and np.ptp(b) > 0:
            alike.append(np.corrcoef(ranks(a), ranks(b))[0, 1])
    print(f"\n{name}: {np.mean(same):.3f} of {len(same)}, {np.median(alike):.3f}, {np.quantile(alike, 0.1):.3f}")
    assert np.mean(same) >= 0.95
    assert np.median(alike) >= 0.9
    # SqueezeNet's file says no more: TFLite's own interpreter gives the same maps (below).
    assert np.quantile(alike, 0.1) >= (0.65 if "squeezenet" in name else 0.75)


@pytest.mark.slow
def test_the_int8_squeezenets_maps_are_tflites_own(files, shared_data):
    """What they differ from the float network's by is in the file, not in how it is read."""
    import tensorflow as tf

    name = "keras2/flowers__squeezenetv1.1_128_tfs_int8.tflite"
    classifier = load_model(files / name)
    explain = Explainer(classifier, "gradcam")
    interpreter = tf.lite.Interpreter(str(files / name), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    (last,) = (d for d in interpreter.get_tensor_details() if list(d["shape"]) == [1, 7, 7, 5])
    step, black = last["quantization"]
    for path in sorted((shared_data / "pets" / "images").glob("*.jpg"))[:8]:
        picture = np.asarray(Image.open(path).convert("RGB"))
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], classifier.prepare(picture)[0][np.newaxis])
        interpreter.invoke()
        levels = interpreter.get_tensor(last["index"])[0].astype("float32")
        found = explain([picture])
        expected = (levels - black) * step / 49  # behind a global mean, of the class itself
        np.testing.assert_allclose(found.maps[0], expected[..., found.targets[0][0]], atol=1e-4)


BOXES = {0: (110, 120, 325, 440), 30: (60, 0, 300, 440), 60: (90, 40, 290, 560), 100: (110, 0, 270, 500)}
"""Where the cat is in four frames of the seed clip: x0, y0, x1, y1."""


@pytest.mark.slow
def test_the_quantised_mobilenets_heat_is_on_the_cat(files, shared_data, tmp_path):
    import cv2

    import vidcam

    clip, kept = shared_data / "seed" / "videos" / "cat_video_2.mp4", tmp_path / "maps.npz"
    model = files / "tflite" / "imagenet__mobilenet_v2_1.0_224_quant.tflite"
    vidcam.run(clip, tmp_path / "o.mp4", model=str(model), target="tabby", maps=kept)
    track = Track.load(kept)
    shares = []
    for frame, (x0, y0, x1, y1) in BOXES.items():
        heat = cv2.resize(np.maximum(track.maps[frame], 0), (360, 640))
        shares.append(heat[y0:y1, x0:x1].sum() / heat.sum())
    assert min(shares) >= 0.5
    assert np.mean(shares) >= 0.68
