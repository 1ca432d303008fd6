"""`.vidcam` files: what goes in comes out, everywhere a model is taken, and what is wrong with one is one line."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.networks import as_classifier, binary_cnn, flatten_cnn, gap_cnn, pictures
from vidcam import _archive
from vidcam._openvino import installed
from vidcam.cam import METHODS, Explainer
from vidcam.cam.anatomy import anatomy_of
from vidcam.errors import UsageError, VidcamError
from vidcam.models import load_model
from vidcam.models.card import neither_of
from vidcam.models.zoo import BUNDLED
from vidcam.pipeline.export import export

pytestmark = pytest.mark.skipif(not installed(), reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def classifier():
    return as_classifier(gap_cnn(size=None), fit="keep", labels=("a", "b", "c"), preprocess="unit", neither=2)


@pytest.fixture(scope="module")
def file(classifier, tmp_path_factory) -> Path:
    return export(classifier, tmp_path_factory.mktemp("graph") / "model.vidcam").path


def test_every_method_explains_from_the_file_as_from_the_network(classifier, file):
    loaded = load_model(file)
    for frames in (pictures(3), pictures(2, 40, 90), pictures(1, 90, 40)):
        for name in METHODS:
            want = Explainer(classifier, name, engine="tensorflow")(frames)
            found = Explainer(loaded, name)
            got = found(frames)
            assert found.engine == "openvino"
            assert got.targets == want.targets
            for a, b in ((got.maps, want.maps), (got.logits, want.logits), (got.probabilities, want.probabilities)):
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max(), err_msg=name)


def test_the_card_says_what_the_classifier_was(classifier, file):
    loaded = load_model(file)
    for name in ("name", "labels", "channels", "input_size", "fit", "preprocess", "neither"):
        assert getattr(loaded, name) == getattr(classifier, name)
    assert anatomy_of(loaded) == anatomy_of(classifier)
    with pytest.raises(VidcamError, match=r"model.vidcam: holds a graph that explains last .*exported from"):
        _ = loaded.model


def test_what_can_be_chosen_later_and_what_lies_in_the_graph(file):
    other = load_model(file, labels=("x", "y", "z"), fit="squash", input_size=48, layer="last", preprocess="unit")
    assert (other.labels, other.fit, other.input_size) == (("x", "y", "z"), "squash", (48, 48))
    assert Explainer(other)(pictures(1)).maps.shape == (1, 12, 12)
    for options, message in (
        ({"layer": "first"}, "its layer is last"),
        ({"preprocess": "tf"}, "its preprocess is unit"),
        ({"weights": "w.h5"}, "--weights"),
        ({"unsafe": True}, "--unsafe"),
        ({"labels": ("x", "y")}, "2 labels"),
    ):
        with pytest.raises(UsageError, match=message):
            load_model(file, **options)
    with pytest.raises(VidcamError, match="holds a graph that explains last"):
        Explainer(load_model(file), layer="first")
    with pytest.raises(VidcamError, match="holds a graph that explains last"):
        Explainer(load_model(file), engine="tensorflow")


@pytest.mark.parametrize(("make", "size", "layer"), [(flatten_cnn, 32, "conv_1,conv_2"), (binary_cnn, 48, None)])
def test_networks_of_one_size_and_several_layers(tmp_path, make, size, layer):
    classifier = as_classifier(make(), size, layer=layer)
    done = export(classifier, tmp_path / "one.vidcam")
    assert done.size == (size, size)
    loaded = load_model(tmp_path / "one.vidcam")
    frames = pictures(2, size, size)
    a, b = (Explainer(c, "hirescam")(frames, 1) for c in (classifier, loaded))
    np.testing.assert_array_equal(b.maps, a.maps)
    assert Explainer(loaded).layer == (layer or "relu_4")
    for options in ({"fit": "keep"}, {"input_size": 64}):
        with pytest.raises(UsageError, match=f"takes {size}x{size} pixels only"):
            load_model(tmp_path / "one.vidcam", **options)


def test_an_export_is_complete_or_not_there(classifier, file, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"model.keras: .*\.vidcam"):
        export(classifier, tmp_path / "model.keras")
    path = tmp_path / "model.vidcam"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        export(classifier, path)
    monkeypatch.setattr(_archive.json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(classifier, path, overwrite=True)
    monkeypatch.undo()
    assert path.read_bytes() == b"mine"
    export(classifier, path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["model.vidcam"]
    assert load_model(path).labels == ("a", "b", "c")


def rewritten(file: Path, path: Path, compression: int = zipfile.ZIP_STORED, **parts: bytes | None) -> Path:
    """Copies an archive with some of its parts replaced or left out."""
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(path, "w") as target:
        for name in ("card.json", "graph.xml", "graph.bin"):
            data = parts.get(name.replace(".", "_"), source.read(name))
            if data is not None:
                target.writestr(name, data, compression)
    return path


def card(file: Path, **changes: object) -> bytes:
    with zipfile.ZipFile(file) as source:
        return json.dumps({**json.loads(source.read("card.json")), **changes}).encode()


def test_what_is_wrong_with_a_file_is_one_line(file, tmp_path):
    data = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        weights = archive.getinfo("graph.bin")
    flipped = bytearray(data)
    flipped[weights.header_offset + weights.file_size // 2] ^= 1
    plain = {
        "no zip": b"something else",
        "empty": b"",
        "cut short": data[: len(data) // 2],
        "without its end": data[:-30],
        "a weight changed": bytes(flipped),
    }
    for name, content in plain.items():
        (tmp_path / f"{name}.vidcam").write_bytes(content)
    bomb = b"\0" * (_archive.LIMITS["card.json"] + 100)
    broken = {
        "later": {"card_json": card(file, format=2)},
        "no card": {"card_json": None},
        "no json": {"card_json": b"{"},
        "a list": {"card_json": b"[1]"},
        "no labels": {"card_json": card(file, labels=None)},
        "no graph": {"graph_xml": None},
        "no weights": {"graph_bin": None},
        "other weights": {"graph_bin": b"\0" * 12},
        "no xml": {"graph_xml": b"<net"},
        "neither": {"card_json": card(file, neither={"class": 3})},
    }
    for name, parts in broken.items():
        rewritten(file, tmp_path / f"{name}.vidcam", **parts)
    rewritten(file, tmp_path / "bomb.vidcam", zipfile.ZIP_DEFLATED, card_json=bomb)
    rewritten(file, tmp_path / "compressed.vidcam", zipfile.ZIP_DEFLATED)
    assert (tmp_path / "bomb.vidcam").stat().st_size < len(bomb) / 50
    said = {"later": "format 2", "bomb": "unpacks to more than 16 MiB", "compressed": "is compressed"}
    for path in (*tmp_path.glob("*.vidcam"), tmp_path / "missing.vidcam", tmp_path):
        with pytest.raises(VidcamError) as error:
            Explainer(load_model(path) if path != tmp_path else load_model(str(path) + "/x.vidcam"))
        assert "\n" not in str(error.value), path
        assert path.name in str(error.value)
        assert said.get(path.stem, "") in str(error.value)


def test_neither_is_null_or_a_class():
    assert neither_of({}, 3) is None
    assert neither_of({"neither": None}, 3) is None
    assert neither_of({"neither": {"class": 2}}, 3) == 2
    for wrong in ({"class": 3}, {"class": -1}, {"class": "other"}, 2, {}):
        with pytest.raises(UsageError, match="neither"):
            neither_of({"neither": wrong}, 3)


def test_the_bundled_graph_is_the_network_beside_it():
    """A network that was trained anew cannot leave a stale graph; to write it anew, in the repository's folder:

    vidcam export cats_dogs -o vidcam/models/data/cats_dogs.vidcam --overwrite

    Where only what cards say has changed, take the old file away first.
    """
    path = BUNDLED["cats_dogs"]
    kept, network = load_model("cats_dogs"), load_model(path)
    assert kept.graph is not None
    assert network.graph is None
    for name in ("name", "labels", "channels", "input_size", "fit", "preprocess", "layer", "neither"):
        assert getattr(kept, name) == getattr(network, name), name
    assert anatomy_of(kept) == anatomy_of(network)
    want, got = Explainer(network, "hirescam", engine="tensorflow"), Explainer(kept, "hirescam")
    assert got.engine == "openvino"
    assert got.layer == want.layer
    for frames in (pictures(2, 90, 160), pictures(1, 128, 128)):
        a, b = got(frames), want(frames)
        np.testing.assert_allclose(a.logits, b.logits, rtol=0, atol=1e-4 * np.abs(b.logits).max())
        np.testing.assert_allclose(a.maps, b.maps, rtol=0, atol=1e-4 * np.abs(b.maps).max())


def test_a_shipped_graph_of_another_network_is_not_taken(tmp_path, monkeypatch):
    gap_cnn().save(tmp_path / "cats_dogs.keras")
    (tmp_path / "cats_dogs.vidcam").write_bytes(BUNDLED["cats_dogs"].with_suffix(".vidcam").read_bytes())
    monkeypatch.setitem(BUNDLED, "cats_dogs", tmp_path / "cats_dogs.keras")
    assert load_model("cats_dogs").graph is None
    assert len(load_model("cats_dogs").labels) == 3
    export(load_model("cats_dogs"), tmp_path / "cats_dogs.vidcam", overwrite=True)
    again = load_model("cats_dogs")
    assert again.graph is not None
    assert len(again.labels) == 3


def test_the_page_on_the_format_makes_a_heatmap_with_openvino_alone(file, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert "vidcam." not in code.replace("model.vidcam", "")
    frame = pictures(1, 60, 60)[0]
    (tmp_path / "model.vidcam").write_bytes(file.read_bytes())
    cv2.imwrite(str(tmp_path / "photo.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    monkeypatch.chdir(tmp_path)
    names: dict[str, np.ndarray] = {}
    exec(code, names)
    resized = cv2.resize(frame, (32, 32))
    want = Explainer(load_model(file))(resized).maps[0]
    np.testing.assert_allclose(names["heat"], want, rtol=1e-4, atol=1e-5 * np.abs(want).max())
