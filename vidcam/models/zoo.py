"""The classifiers that go by a name: `keras.applications` with ImageNet weights, and what each expects.

Only the table and the building of one model; files are read in `load`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of `keras.applications`.

    Attributes:
        class_name: the function that builds it.
        preprocess: the step its weights expect (`vidcam.models.PREPROCESSING`).
        size: the side in pixels of the square input it was trained at.
        layer: a layer name by which a model made from this network is known; networks that share it share `preprocess`.
        pooled: fully convolutional up to a global pooling, so that it runs at any size.
    """

    class_name: str
    preprocess: str
    size: int
    layer: str
    pooled: bool = True

    def constructor(self) -> Callable[..., Any]:
        """Returns the `keras.applications` function that builds the network."""
        from vidcam._tensorflow import warm_up

        warm_up()
        function: Callable[..., Any] = getattr(importlib.import_module("keras.applications"), self.class_name)
        return function


ZOO: dict[str, Entry] = {
    "mobilenet_v2": Entry("MobileNetV2", "tf", 224, "block_16_project_BN"),
    "vgg16": Entry("VGG16", "caffe", 224, "block5_conv3", pooled=False),
    "vgg19": Entry("VGG19", "caffe", 224, "block5_conv4", pooled=False),
    "resnet50": Entry("ResNet50", "caffe", 224, "conv4_block6_out"),
    "resnet101": Entry("ResNet101", "caffe", 224, "conv4_block23_out"),
    "resnet152": Entry("ResNet152", "caffe", 224, "conv4_block36_out"),
    "resnet50_v2": Entry("ResNet50V2", "tf", 224, "conv5_block3_preact_relu"),
    "resnet101_v2": Entry("ResNet101V2", "tf", 224, "conv4_block23_preact_relu"),
    "resnet152_v2": Entry("ResNet152V2", "tf", 224, "conv4_block36_preact_relu"),
    "xception": Entry("Xception", "tf", 299, "block14_sepconv2_act"),
    "inception_v3": Entry("InceptionV3", "tf", 299, "mixed10"),
    "inception_resnet_v2": Entry("InceptionResNetV2", "tf", 299, "conv_7b_ac"),
    "mobilenet": Entry("MobileNet", "tf", 224, "conv_pw_13_relu"),
    "mobilenet_v3_small": Entry("MobileNetV3Small", "none", 224, "expanded_conv_10_project"),
    "mobilenet_v3_large": Entry("MobileNetV3Large", "none", 224, "expanded_conv_14_project"),
    "densenet121": Entry("DenseNet121", "torch", 224, "conv5_block16_concat"),
    "densenet169": Entry("DenseNet169", "torch", 224, "conv5_block32_concat"),
    "densenet201": Entry("DenseNet201", "torch", 224, "conv4_block48_concat"),
    "nasnet_mobile": Entry("NASNetMobile", "tf", 224, "normal_concat_12"),
    "nasnet_large": Entry("NASNetLarge", "tf", 331, "normal_concat_18"),
    **{
        f"efficientnet_b{i}": Entry(f"EfficientNetB{i}", "none", size, "top_activation")
        for i, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    },
    **{
        f"efficientnet_v2_{kind}": Entry(f"EfficientNetV2{kind.upper()}", "none", size, "top_activation")
        for kind, size in (("b0", 224), ("b1", 240), ("b2", 260), ("b3", 300), ("s", 384), ("m", 480), ("l", 480))
    },
    **{
        f"convnext_{kind}": Entry(f"ConvNeXt{name}", "none", 224, f"convnext_{kind}_stage_3_block_0_depthwise_conv")
        for kind, name in (
            ("tiny", "Tiny"), ("small", "Small"), ("base", "Base"), ("large", "Large"), ("xlarge", "XLarge")
        )
    },
}  # fmt: skip

BUNDLED: dict[str, Path] = {"cats_dogs": DATA / "cats_dogs.keras"}
"""Classifiers that ship inside the package: they need no network."""

DEFAULT_MODEL = "cats_dogs"
MOST_MODELS = 4
"""Models that are compared on one clip, at most."""


def names() -> list[str]:
    """Returns the names that `load_model` knows, the bundled ones first."""
    return [*BUNDLED, *sorted(ZOO)]


@cache
def imagenet_labels() -> tuple[str, ...]:
    """Returns the short English names of ImageNet's 1000 classes (ILSVRC 2012) in Keras' order."""
    return tuple((DATA / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines())
