"""Networks exported from PyTorch by both of its exporters, with the maps that torch-cam makes of them there.

    python -m tests.benchmarks.torch_exports FOLDER [NAME...]

Needs torch, onnx, onnxscript and, for the reference maps, torchcam (without it Grad-CAM is computed by autograd). Where
torchvision or timm are there, `torchvision:resnet18` or `timm:convnext_atto` as a NAME exports theirs. Without names
the small networks below are exported: the blocks of ResNet, MobileNetV3, EfficientNet, ConvNeXt, a vision transformer
and Swin, with made-up weights. `tests/models/torch` holds what this writes; `tests/models/test_torch.py` compares.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SIZE = 64
CLASSES = 5


def unit(
    inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, act: Callable[[], nn.Module] = nn.ReLU
):
    """Convolution, batch norm, activation."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), act())


class Basic(nn.Module):
    """ResNet's basic block."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.one, self.two = unit(inputs, outputs, 3, stride), unit(outputs, outputs, 3, act=nn.Identity)
        self.short = unit(inputs, outputs, 1, stride, act=nn.Identity)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.two(self.one(x)) + self.short(x))


class Excite(nn.Module):
    """Squeeze and excite."""

    def __init__(self, channels: int, inner: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, channels, 1)
        self.inner, self.gate = inner, gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.up(self.inner(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Inverted(nn.Module):
    """MobileNetV3's and EfficientNet's inverted residual."""

    def __init__(self, channels: int, act: Callable[[], nn.Module], gate: nn.Module) -> None:
        super().__init__()
        wide = 2 * channels
        self.layers = nn.Sequential(
            unit(channels, wide, 1, act=act),
            unit(wide, wide, 5, groups=wide, act=act),
            Excite(wide, act(), gate),
            unit(wide, channels, 1, act=nn.Identity),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class Norm(nn.LayerNorm):
    """A layer norm of channels first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """ConvNeXt's block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.wide, self.back = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(0.5 * torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.back(F.gelu(self.wide(y)))
        return x + y.permute(0, 3, 1, 2)


class Head(nn.Module):
    """Global pooling and one dense layer, or what is given between."""

    def __init__(self, features: nn.Module, channels: int, between: nn.Module | None = None) -> None:
        super().__init__()
        self.features, self.between = features, between or nn.Identity()
        self.classifier = nn.Linear(channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.between(F.adaptive_avg_pool2d(self.features(x), 1)).flatten(1))


class Attention(nn.Module):
    """Attention among the tokens of each list."""

    def __init__(self, channels: int, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.qkv, self.project = heads, nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        return self.project((weights @ v).transpose(1, 2).reshape(b, n, c))


class Block(nn.Module):
    """A transformer's block; with a window, attention stays inside of it, rolled by half of it if asked to."""

    def __init__(self, channels: int, grid: int = 0, window: int = 0, rolled: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = Attention(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))
        self.grid, self.window, self.shift = grid, window, window // 2 if rolled else 0

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        if not self.window:
            return self.attention(x)
        (b, _, c), g, w = x.shape, self.grid, self.window
        x = x.reshape(b, g, g, c)
        x = torch.roll(x, (-self.shift, -self.shift), (1, 2)) if self.shift else x
        x = x.reshape(b, g // w, w, g // w, w, c).transpose(2, 3).reshape(-1, w * w, c)
        x = self.attention(x).reshape(b, g // w, g // w, w, w, c).transpose(2, 3).reshape(b, g, g, c)
        x = torch.roll(x, (self.shift, self.shift), (1, 2)) if self.shift else x
        return x.reshape(b, g * g, c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """A vision transformer with a class token."""

    def __init__(self, channels: int = 16, patch: int = 16) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, channels, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, channels))
        self.positions = nn.Parameter(torch.randn(1, (SIZE // patch) ** 2 + 1, channels) * 0.3)
        self.blocks = nn.Sequential(*(Block(channels) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(channels), nn.Linear(channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


class Windows(nn.Module):
    """Swin: two stages of attention in windows, with a merging of patches between."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, channels, 8, 8)
        self.first = nn.Sequential(Block(channels, 8, 4), Block(channels, 8, 4, True))
        self.merged, self.reduce = nn.LayerNorm(4 * channels), nn.Linear(4 * channels, 2 * channels)
        self.second = nn.Sequential(Block(2 * channels, 4, 2), Block(2 * channels, 4, 2, True))
        self.norm, self.head = nn.LayerNorm(2 * channels), nn.Linear(2 * channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(self.embed(x).flatten(2).transpose(1, 2))
        x = x.reshape(x.shape[0], 8, 8, x.shape[2])
        x = torch.cat([x[:, i::2, j::2] for j in range(2) for i in range(2)], -1)
        x = self.second(self.reduce(self.merged(x)).flatten(1, 2))
        return self.head(self.norm(x).mean(1))


def small(stem: int, *layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(unit(3, stem, 3, 4), *layers)


Made = tuple[nn.Module, nn.Module, tuple[int, int] | None]
"""A network, the module that is explained, and the grid of its tokens where it gives tokens."""


def networks() -> dict[str, Callable[[], Made]]:
    """Returns the small networks, by name."""

    def plain(features: nn.Sequential, channels: int, between: nn.Module | None = None) -> Made:
        return Head(features, channels, between), features[-1], None

    def transformer() -> Made:
        model = Transformer()
        return model, model.blocks[-1].norm1, (4, 4)

    def windows() -> Made:
        model = Windows()
        return model, model.second[-1].norm2, (4, 4)

    swish = nn.Hardswish
    return {
        "resnet": lambda: plain(small(8, Basic(8, 8, 1), Basic(8, 16, 2)), 16),
        "mobilenet_v3": lambda: plain(small(8, Inverted(8, swish, nn.Hardsigmoid()), unit(8, 24, 1, act=swish)), 24),
        "efficientnet": lambda: plain(small(8, Inverted(8, nn.SiLU, nn.Sigmoid()), unit(8, 24, 1, act=nn.SiLU)), 24),
        "convnext": lambda: plain(small(8, ConvNeXt(8), ConvNeXt(8)), 8, Norm(8)),
        "vit": transformer,
        "swin": windows,
    }


def foreign(name: str) -> Made:
    """Makes a network of torchvision's or timm's, with made-up weights; its last map is explained."""
    library, _, kind = name.partition(":")
    if library == "timm":
        import timm

        model = timm.create_model(kind, num_classes=CLASSES)
    else:
        import torchvision

        model = torchvision.models.get_model(kind, num_classes=CLASSES)
    maps: list[nn.Module] = []
    hooks = [
        m.register_forward_hook(
            lambda m, _, y: maps.append(m) if isinstance(y, torch.Tensor) and y.dim() == 4 and y.shape[-1] > 1 else None
        )
        for m in model.modules()
    ]
    model.eval()(torch.zeros(1, 3, 224, 224))
    for hook in hooks:
        hook.remove()
    return model, maps[-1], None


def randomized(model: nn.Module) -> nn.Module:
    """Moves batch norms off their defaults, so that each matters."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.2
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
    return model.eval()


def reference(model: nn.Module, layer: nn.Module, grid: tuple[int, int] | None, x: torch.Tensor) -> np.ndarray:
    """Returns Grad-CAM's signed maps of each picture's best class: torch-cam's where it takes the layer."""
    kept: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda m, i, y: kept.append(y))
    scores = model(x)
    hook.remove()
    best = scores.argmax(1)
    (gradient,) = torch.autograd.grad(scores.gather(1, best[:, None]).sum(), kept[0])
    if grid is None:
        maps = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)
    else:
        count = grid[0] * grid[1]
        maps = (gradient[:, -count:].mean(1, keepdim=True) * kept[0][:, -count:]).sum(2).reshape(-1, *grid)
    maps = maps.detach().numpy()
    if grid is None:
        try:
            from torchcam.methods import GradCAM
        except ImportError:
            return maps
        with GradCAM(model, layer) as cam:
            theirs = cam(best.tolist(), model(x), normalized=False)[0].numpy()
        np.testing.assert_allclose(theirs, np.maximum(maps, 0), rtol=1e-4, atol=1e-6)
    return maps


def main() -> None:
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or networks():
        torch.manual_seed(0)
        model, layer, grid = foreign(name) if ":" in name else networks()[name]()
        model = randomized(model)
        size = SIZE if ":" not in name else 224
        pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
        x = torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2)
        stem = name.replace(":", "_")
        maps = reference(model, layer, grid, x)
        np.savez_compressed(folder / f"{stem}.npz", maps=maps, logits=model(x).detach().numpy())
        one, axes = x[:1], {"input": {0: "batch"}}
        file = folder / f"{stem}.onnx"
        torch.onnx.export(model, one, file, dynamo=False, input_names=["input"], dynamic_axes=axes)
        torch.onnx.export(model, one, folder / f"{stem}_dynamo.onnx", dynamo=True, external_data=False, verbose=False)
        print(f"{name}: {file.stat().st_size / 1000:.0f} kB, maps {maps.shape}", flush=True)


if __name__ == "__main__":
    main()
