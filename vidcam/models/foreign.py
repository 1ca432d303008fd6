"""A classifier of a network that OpenVINO reads: what is told, what is assumed, and what has to be asked."""

from __future__ import annotations

from vidcam.errors import Unsaid, UsageError
from vidcam.models.classifier import Classifier
from vidcam.models.files import ModelFile
from vidcam.models.labels import default_labels, read_labels
from vidcam.models.opened import Opened, open_network
from vidcam.models.preprocess import NAMED
from vidcam.models.settle import any_size
from vidcam.models.told import Told, told_of
from vidcam.models.zoo import imagenet_labels
from vidcam.types import Fit, Labels

IMAGENET = 1000
BACKGROUND_LABEL = "background"


def open_classifier(
    file: ModelFile,
    name: str,
    *,
    labels: Labels | None = None,
    preprocess: str | None = None,
    input_size: tuple[int, int] | None = None,
    fit: Fit | None = None,
    layer: str | None = None,
    output: str | int | None = None,
    token_grid: tuple[int, int] | None = None,
) -> Classifier:
    """Opens a file that is no Keras model.

    Args:
        file: where it is.
        name: what it is called.
        labels: see `vidcam.load_model`, as for the rest.
        preprocess: checked already.
        input_size: (width, height).
        fit: how frames are fitted.
        layer: the layer to explain.
        output: which output gives the classes.
        token_grid: rows and columns of a transformer's patches.

    Returns:
        The classifier.

    Raises:
        UsageError: it is no classifier, or something has to be said with an option.
        VidcamError: the file is damaged, or unsafe to read.
    """
    opened = open_network(file, output)
    told = told_of(file, opened, opened.network.peek())
    if preprocess is None and not told.preprocess:
        raise Unsaid(
            f"{name}: how its pictures were scaled in training cannot be seen from the file; say it with --preprocess "
            f"(preprocess=): {', '.join(NAMED)} (unit for pixels divided by 255), or mean=M,M,M,std=S,S,S",
            "preprocess",
            "none",
        )
    shown = max(2, opened.classes)
    names, how = _labels(labels, told, shown)
    return Classifier(
        opened.network,
        name=name,
        preprocess=preprocess or told.preprocess,
        preprocess_from="as given" if preprocess else told.preprocess_from,
        input_size=_size(opened, told, input_size, name),
        channels=opened.channels,
        fit=fit or told.fit or "squash",
        labels=names,
        labels_from=how,
        layer=layer,
        source=str(file.named),
        token_grid=token_grid,
    )


def _size(opened: Opened, told: Told, asked: tuple[int, int] | None, name: str) -> tuple[int, int]:
    own = opened.network.size
    if own is None:
        size = asked or told.size
        if size is None:
            raise any_size(name)
        return size
    if asked not in (None, (own[1], own[0])):
        raise UsageError(f"{name}: takes pictures of {own[1]}x{own[0]} only; leave --input-size out")
    return own[1], own[0]


def _labels(given: Labels | None, told: Told, classes: int) -> tuple[tuple[str, ...], str]:
    """Returns a name for each class, and how they are known."""
    if given is not None:
        labels = tuple(given) if isinstance(given, tuple | list) else read_labels(given)
        if len(labels) == IMAGENET and classes == IMAGENET + 1:
            labels = (BACKGROUND_LABEL, *labels)
        if len(labels) != classes:
            raise UsageError(f"{len(labels)} labels were given, but the model has {classes} classes")
        return labels, ""
    if told.labels is not None and len(told.labels) == classes:
        return told.labels, told.labels_from
    if classes == IMAGENET:
        return imagenet_labels(), "ImageNet's assumed"
    if classes == IMAGENET + 1:
        return (BACKGROUND_LABEL, *imagenet_labels()), "ImageNet's after a background class assumed"
    return default_labels(classes), ""
