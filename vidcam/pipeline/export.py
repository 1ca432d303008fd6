"""`export`: a classifier's graph and card as one file, which explains without TensorFlow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vidcam import __version__, _archive
from vidcam._files import written
from vidcam._openvino import installed, ov
from vidcam.cam.anatomy import Anatomy, anatomy_of
from vidcam.cam.graphs import WRONG, Graphs, input_height, makers
from vidcam.cam.run import INSTALL, Unsupported
from vidcam.cam.run.graph import Graph
from vidcam.errors import UsageError, VidcamError
from vidcam.models.card import card_of
from vidcam.models.classifier import Classifier
from vidcam.models.identity import content_of


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        layer: the paths of the layers that it explains.
        size: (width, height) of the pictures that it takes, None for any.
        difference: how far, of their maximum, its results are from TensorFlow's at most.
        bytes: how large the file is.
        notes: one-line things to tell the user.
    """

    path: Path
    layer: tuple[str, ...]
    size: tuple[int, int] | None
    difference: float
    bytes: int
    notes: tuple[str, ...]


def export(classifier: Classifier, path: str | Path, *, overwrite: bool = False) -> Exported:
    """Writes a classifier's graph and card as one `.vidcam` file.

    Args:
        classifier: what `vidcam.load_model` returns; its layer is explained.
        path: the file; its suffix has to be `.vidcam`.
        overwrite: replace an existing file.

    Returns:
        What was written.

    Raises:
        UsageError: the suffix is another, or the file exists.
        VidcamError: OpenVINO is missing or cannot compute the network, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != _archive.SUFFIX:
        raise UsageError(f"{path}: graphs are written as {_archive.SUFFIX} files; name one, such as model.vidcam")
    if not installed():
        raise VidcamError(f"{path}: needs OpenVINO, which is not installed: {INSTALL}")
    with written(path, overwrite=overwrite) as temporary:
        width, height = classifier.input_size[0], input_height(classifier)
        try:
            graph = Graphs(classifier, None, None, WRONG).at(height, width)
        except Unsupported as error:
            raise VidcamError(f"{classifier.name}: cannot be exported: {error}") from error
        notes = []
        if graph.size is not None and classifier.fit == "keep":
            classifier = replace(classifier, fit="squash")
            notes.append(f"this layer's graph takes {width}x{height} pixels only, so frames are squashed to that")
        _archive.write(temporary, _card(classifier, graph, anatomy_of(classifier)), graph.model())
        size = temporary.stat().st_size
    fixed = None if graph.size is None else classifier.input_size
    return Exported(path, graph.facts.layers, fixed, graph.difference, size, tuple(notes))


def _card(classifier: Classifier, graph: Graph, anatomy: Anatomy) -> dict[str, object]:
    card = {name: value for name, value in card_of(classifier).items() if name != "own_layer"}
    versions = {"vidcam": __version__, "openvino": ov.get_version(), **dict(makers()[1])}
    return {**card, **graph.card(), "source": _source(classifier), "versions": versions, "anatomy": asdict(anatomy)}


def _source(classifier: Classifier) -> str | None:
    """Returns the digest of the file that a classifier was loaded from; without one, the network's name or nothing."""
    try:
        return content_of(Path(classifier.source))
    except OSError:
        return classifier.identity
