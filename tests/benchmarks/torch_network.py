"""MobileNetV2 in PyTorch with a Keras model's weights, so that the PyTorch peers explain the very same network.

Keras pads the strided convolutions below and to the right only, and its batch norms add 0.001 to the variance; both are
kept, so that the logits agree to float precision.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

# (expansion, channels, repeats, first stride), Sandler et al. 2018, table 2.
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _unit(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, relu: bool = True) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
    padding = size // 2 if stride == 1 else 0
    layers.append(nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=False))
    layers.append(nn.BatchNorm2d(outputs, eps=1e-3))
    return [*layers, nn.ReLU6(inplace=True)] if relu else layers


class Block(nn.Module):
    """An inverted residual with a linear bottleneck."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers = _unit(inputs, hidden, 1) if expansion > 1 else []
        layers += _unit(hidden, hidden, 3, stride, groups=hidden)
        self.layers = nn.Sequential(*layers, *_unit(hidden, outputs, 1, relu=False))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 1 up to the logits; `features` ends in what Keras calls `out_relu`."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = _unit(3, 32, 3, 2)
        channels = 32
        for expansion, outputs, repeats, stride in BLOCKS:
            for repeat in range(repeats):
                layers.append(Block(channels, outputs, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self.features = nn.Sequential(*layers, *_unit(channels, 1280, 1))
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


def load(weights: Mapping[str, np.ndarray]) -> MobileNetV2:
    """Builds the network, ready to be explained.

    Args:
        weights: the Keras model's, by the paths of its variables, such as `block_1_expand/kernel`.

    Returns:
        The network in evaluation mode; it takes (B, 3, 224, 224), -1 to 1.
    """
    model = MobileNetV2(weights["predictions/bias"].shape[0])
    names = ["Conv1", "expanded_conv_depthwise", "expanded_conv_project"]
    for block in range(1, 17):
        names += [f"block_{block}_{part}" for part in ("expand", "depthwise", "project")]
    names.append("Conv_1")
    norms = {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    batch_norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for name, convolution, norm in zip(names, convolutions, batch_norms, strict=True):
            kernel = weights[f"{name}/kernel"]  # (h, w, in, out), of a depthwise convolution (h, w, channels, 1)
            axes = (2, 3, 0, 1) if name.endswith("depthwise") else (3, 2, 0, 1)
            _copy(convolution.weight, kernel.transpose(axes))
            prefix = norms.get(name, f"{name}_BN")
            _copy(norm.weight, weights[f"{prefix}/gamma"])
            _copy(norm.bias, weights[f"{prefix}/beta"])
            _copy(norm.running_mean, weights[f"{prefix}/moving_mean"])
            _copy(norm.running_var, weights[f"{prefix}/moving_variance"])
        _copy(model.classifier.weight, weights["predictions/kernel"].T)
        _copy(model.classifier.bias, weights["predictions/bias"])
    return model.eval()


def _copy(parameter: torch.Tensor, value: np.ndarray) -> None:
    if tuple(parameter.shape) != value.shape:
        raise ValueError(f"the weights are {value.shape}, not {tuple(parameter.shape)}")
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
