"""Measuring methods on pictures and clips, from arrays to `vidcam evaluate --maps`."""

from __future__ import annotations

import csv

import keras
import numpy as np
import pytest
from PIL import Image

from tests.clips import make_video
from tests.networks import as_classifier, gap_cnn, pictures
from vidcam.cam import Explainer
from vidcam.errors import UsageError, VidcamError
from vidcam.media import open_source
from vidcam.metrics.clips import measure_clip
from vidcam.metrics.controls import CONTROLS, blurred_random_map, centred_map, random_map
from vidcam.metrics.faithfulness import MeasuredPicture, measure_pictures, summarize
from vidcam.metrics.flicker import flicker
from vidcam.metrics.randomization import permuted_weights, rank_correlation
from vidcam.metrics.subjects import find_subjects


def red_detector():
    """A classifier that looks at red alone: its Grad-CAM of class 1 is the red of each cell."""
    inside = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(inside)
    x = keras.layers.Conv2D(2, 4, strides=4, activation="relu", name="cells")(x)
    model = keras.Model(inside, keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x)))
    kernel = np.zeros((4, 4, 3, 2), "float32")
    kernel[..., 0, 1] = 1 / 16
    kernel[..., 2, 0] = 1 / 16
    model.layers[2].set_weights([kernel, np.array([0, -0.5], "float32")])  # pale red is none
    model.layers[-1].set_weights([120 * np.eye(2, dtype="float32"), np.array([1.5, 0.0], "float32")])
    return as_classifier(model, labels=("blue", "red"))


def red_square():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[..., 1] = 60
    picture[16:32, 32:48] = (255, 0, 0)
    return MeasuredPicture("square", picture, ((32.0, 16.0, 48.0, 32.0),))


def by_method(rows):
    return {row["method"]: row for row in rows}


def test_the_right_map_wins_on_every_measure():
    rows = by_method(measure_pictures(red_detector(), [red_square()], ["gradcam"], count=1, target="red", seed=1))
    assert list(rows) == ["gradcam", *CONTROLS]
    right, *others = rows.values()
    assert right["pointing"] == 1.0
    assert right["box"] == pytest.approx(1 / 16)
    # The cells are as large as a quarter of the square's side; half a cell is smeared over its edges.
    assert right["energy"] > 0.75
    for other in others:
        assert right["energy"] > other["energy"]
        assert right["insertion"] > other["insertion"]
        assert right["deletion"] < other["deletion"]
        assert right["road"] > other["road"]
        assert right["drop"] <= other["drop"]
        assert "ms" not in other
    assert right["ms"] > 0


def test_the_random_map_scores_near_its_expectation():
    flat = MeasuredPicture("flat", red_square().rgb, red_square().thing)
    rows = measure_pictures(red_detector(), [flat] * 12, ["eigencam"], count=12, target="red")
    random = {row["method"]: row for row in summarize(rows)}["random"]
    assert random["energy"] == pytest.approx(1 / 16, abs=0.02)
    assert abs(random["road"]) < 3 * random["road_error"]
    assert abs(random["emprt"]) < 0.02
    assert abs(random["untrained"]) < 0.1


def test_untrained_is_the_correlation_with_the_permuted_models_map():
    classifier, picture = as_classifier(gap_cnn()), MeasuredPicture("p", pictures(1)[0])
    rows = by_method(measure_pictures(classifier, [picture], ["layercam"], count=1, target=1, seed=5))
    own = Explainer(classifier, "layercam")(picture.rgb, 1).maps[0]
    other = Explainer(classifier, "layercam", weights=permuted_weights(classifier.model, 5))(picture.rgb, 1).maps[0]
    assert rows["layercam"]["untrained"] == pytest.approx(rank_correlation(own, other), abs=1e-6)
    assert rows["centre"]["untrained"] == pytest.approx(1.0)


def test_methods_that_agree_get_the_same_figures():
    rows = by_method(
        measure_pictures(
            as_classifier(gap_cnn()),
            [MeasuredPicture("p", pictures(1)[0])],
            ["cam", "gradcam", "hirescam"],
            count=1,
            target=1,
        )
    )
    for name in ("insertion", "deletion", "drop", "increase"):
        assert rows["cam"][name] == rows["gradcam"][name] == rows["hirescam"][name]


def test_seed_progress_and_cancellation():
    classifier = as_classifier(gap_cnn())
    subjects = [MeasuredPicture(str(i), p) for i, p in enumerate(pictures(2))]
    done = []

    def measure(seed, **options):
        rows = measure_pictures(classifier, subjects, ["gradcam"], count=2, seed=seed, **options)
        return [{k: v for k, v in row.items() if k != "ms"} for row in rows]

    first = measure(1, progress=lambda *a: done.append(a))
    assert done == [(i, 8) for i in range(1, 9)]
    again, other = measure(1), measure(2)
    for a, b, c in zip(first, again, other, strict=True):
        assert a == pytest.approx(b, abs=1e-5)
        assert a["method"] != "random" or a["insertion"] != c["insertion"]
    assert len(measure(1, cancelled=lambda: True)) == 4


def test_a_summary_is_means_and_standard_errors():
    rows = [
        {"picture": "a", "method": "m", "insertion": 0.2, "ms": 1.0, "pointing": 1.0},
        {"picture": "b", "method": "m", "insertion": 0.4, "ms": 2.0},
        {"picture": "c", "method": "m", "insertion": 0.9, "ms": 90.0},
    ]
    (line,) = summarize(rows)
    assert line["insertion"] == pytest.approx(0.5)
    assert line["insertion_error"] == pytest.approx(np.std([0.2, 0.4, 0.9], ddof=1) / np.sqrt(3))
    assert line["ms"] == 2.0
    assert line["pointing"] == 1.0
    assert "pointing_error" not in line


def test_controls_are_what_they_are_called():
    centre = centred_map((7, 9))
    assert np.unravel_index(centre.argmax(), centre.shape) == (3, 4)
    np.testing.assert_allclose(centre, centre[::-1, ::-1], rtol=1e-5)
    values = random_map((100, 100), (0, 0))
    assert 0 <= values.min() < 0.01
    assert 0.99 < values.max() < 1
    assert values.mean() == pytest.approx(0.5, abs=0.01)
    blurred = blurred_random_map((100, 80), (0, 0))
    assert (blurred.min(), blurred.max()) == (0, 1)
    assert np.abs(np.diff(blurred, axis=0)).max() < 0.1
    assert np.array_equal(blurred, blurred_random_map((100, 80), (0, 0)))
    assert abs(rank_correlation(blurred, blurred_random_map((100, 80), (0, 1)))) < 0.7


def test_a_clip_has_flicker_and_switches(tmp_path):
    clip = make_video(tmp_path / "clip.mp4")
    classifier = as_classifier(gap_cnn())
    with open_source(clip) as source:
        rows = by_method(measure_clip(classifier, source, ["gradcam", "eigencam"]))
    with open_source(clip) as source:
        explanation = Explainer(classifier)([frame.rgb() for frame in source])
    heat = np.maximum(explanation.maps, 0)
    peaks = heat.max((1, 2), keepdims=True)
    assert rows["gradcam"]["flicker"] == pytest.approx(flicker(heat / np.where(peaks > 0, peaks, 1)), rel=1e-3)
    assert rows["centre"]["flicker"] == rows["centre"]["flicker_shown"] == pytest.approx(0.0, abs=1e-6)
    assert rows["random"]["flicker"] > 0.3
    assert rows["random"]["flicker_shown"] < 0.8 * rows["random"]["flicker"]
    assert rows["gradcam"]["switches"] == sum(
        a != b for a, b in zip(explanation.targets[:-1], explanation.targets[1:], strict=True)
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A model, pictures with boxes and without, and a clip."""
    folder = tmp_path_factory.mktemp("data")
    gap_cnn().save(folder / "model.keras")
    (folder / "boxed" / "images").mkdir(parents=True)
    for i, picture in enumerate(pictures(3, 40, 56)):
        Image.fromarray(picture).save(folder / "boxed" / "images" / f"{i}.png")
    (folder / "boxed" / "boxes.csv").write_text("file,label,xmin,ymin,xmax,ymax\n0.png,a,1,2,30,20\n2.png,b,0,0,9,9\n")
    make_video(folder / "clip.mp4")
    return folder


def evaluate(*arguments):
    from vidcam.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_evaluate_maps_writes_a_table_the_rows_and_a_plot(data, tmp_path, capsys):
    out = tmp_path / "out"
    code = evaluate(data / "model.keras", data / "boxed", "--maps", "gradcam,scorecam", "--top-channels", 2, "-o", out)
    shown = capsys.readouterr().out
    assert code == 0
    assert sorted(p.name for p in out.iterdir()) == ["maps.csv", "maps.md", "maps.png", "pictures.csv"]
    with (out / "maps.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["method"] for row in table] == ["gradcam", "scorecam", *CONTROLS]
    assert "2 pictures" in shown
    for name in (
        "pointing",
        "energy",
        "box",
        "insertion",
        "deletion",
        "drop",
        "increase",
        "untrained",
        "ROAD",
        "eMPRT",
        "ms",
    ):
        assert name in shown
    with (out / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["picture"] for row in rows} == {"0.png", "2.png"}  # those that have a box
    assert len(rows) == 2 * 5
    mean = np.mean([float(r["energy"]) for r in rows if r["method"] == "gradcam"])
    assert float(table[0]["energy"]) == pytest.approx(mean, rel=1e-4)
    assert Image.open(out / "maps.png").size[0] > 300


def test_evaluate_says_how_much_heat_of_pictures_lies_on_the_thing(data, tmp_path, capsys):
    """By boxes that lie elsewhere, and by masks of the same places: the same figures, those of --maps."""
    (tmp_path / "own.csv").write_text("file,xmin,ymin,xmax,ymax\n0.png,0,0,28,40\nimages/1.png,0,0,14,40\n")
    (tmp_path / "masks" / "images").mkdir(parents=True)
    for name, width in (("0.png", 28), ("1.bmp", 14)):
        mask = np.zeros((40, 56), np.uint8)
        mask[:, :width] = 9
        Image.fromarray(mask).save(tmp_path / "masks" / "images" / name)
    tables, said = [], []
    for options in (("--boxes", tmp_path / "own.csv"), ("--masks", tmp_path / "masks")):
        out = tmp_path / options[0]
        assert evaluate(data / "model.keras", data / "boxed", *options, "-o", out) == 0
        shown = capsys.readouterr().out
        assert "insertion" not in shown
        said.append(shown.splitlines()[-1])
        with (out / "maps.csv").open(newline="") as file:
            tables.append([{k: v for k, v in row.items() if k != "ms"} for row in csv.DictReader(file)])
    assert tables[0] == tables[1]
    assert said[0] == said[1]
    first = tables[0][0]
    assert (float(first["box"]), float(first["box_error"])) == (0.375, 0.125)
    assert f"heat on the thing: {100 * float(first['energy']):.1f} ± " in said[0]
    assert "covers 37.5 ± 12.5 % of the picture" in said[0]
    assert "over 2 pictures" in said[0]


def test_evaluate_maps_of_a_clip(data, tmp_path, capsys):
    assert evaluate(data / "model.keras", data / "clip.mp4", "--maps", "gradcam", "-o", tmp_path / "o") == 0
    shown = capsys.readouterr().out
    assert "flicker" in shown
    assert "switches" in shown
    assert not (tmp_path / "o" / "pictures.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--maps", "gradcam,smooth"], 2, "smooth"),
        (["--maps", "gradcam", "--top-channels", "3"], 2, "scorecam"),
        (["--target", "0"], 2, "--maps"),
        (["--boxes", "none.csv"], 1, "none.csv: cannot be read"),
        (["--boxes", "a", "--masks", "b"], 2, "give one of them"),
        (["--masks", "none"], 1, "no such folder"),
        (["--maps", "gradcam", "--target", "9"], 2, "0 to 2"),
    ],
)
def test_evaluate_maps_says_what_is_wrong(data, tmp_path, capsys, arguments, code, message):
    assert evaluate(data / "model.keras", data / "boxed", "-o", tmp_path / "o", *arguments) == code
    err = [x for x in capsys.readouterr().err.splitlines() if x.startswith("vidcam: ")]
    assert len(err) == 1
    assert message in err[0]


def test_pictures_of_a_csv_are_found_once_or_said(data, tmp_path):
    subjects = find_subjects(data / "boxed")
    assert sorted(f.name for f in subjects.files) == ["0.png", "2.png"]
    assert len(find_subjects(data / "boxed", limit=1).files) == 1
    assert len(find_subjects(data / "boxed" / "images").files) == 3
    (tmp_path / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax\nnone.png,0,0,1,1\n")
    with pytest.raises(VidcamError, match=r"none\.png"):
        find_subjects(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(VidcamError, match="no pictures"):
        find_subjects(empty)


def test_unknown_targets_are_errors():
    with pytest.raises(UsageError):
        measure_pictures(as_classifier(gap_cnn()), [], ["gradcam"], count=0, target="bird")
