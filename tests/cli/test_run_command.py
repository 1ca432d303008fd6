"""`vidcam run` as a user meets it: its summary, its files, and one line for everything that is wrong."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from tests.clips import clip_pictures, make_gif, make_sound, make_video, read_frames
from tests.networks import gap_cnn
from vidcam.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Good and bad inputs, made once; tests work in a folder of their own."""
    folder = tmp_path_factory.mktemp("inputs")
    make_video(folder / "clip.mp4", sound=True)
    make_gif(folder / "clip.gif")
    make_sound(folder / "sound.mp4")
    Image.fromarray(clip_pictures(1)[0]).save(folder / "photo.jpg")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is no video.")
    (folder / "folder").mkdir()
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").touch()
    (folder / "labels.txt").write_text("cat\ndog\nfish\n")
    (folder / "two.txt").write_text("cat\ndog\n")
    gap_cnn().save(folder / "model.keras")
    gap_cnn(classes=1, end="sigmoid").save(folder / "binary.keras")
    gap_cnn().save_weights(folder / "gap.weights.h5")
    keras.Sequential([keras.Input((10,)), layers.Dense(2)]).save(folder / "table.keras")
    dense = [keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)]
    keras.Sequential(dense).save(folder / "dense.keras")
    body = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    keras.Sequential([keras.Input((16, 16, 3)), *body]).save(folder / "unscaled.keras")
    lambdas = [keras.Input((16, 16, 3)), layers.Lambda(lambda x: x / 255), *body]
    keras.Sequential(lambdas).save(folder / "lambda.keras")
    return folder


def vidcam(capfd, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    out, err = capfd.readouterr()
    return int(stopped.value.code or 0), out, "".join(x for x in err.splitlines(True) if not x.startswith("I0000"))


def test_a_run_says_which_model_and_what_it_made(files, tmp_path, capfd):
    out = tmp_path / "o.mp4"
    code, stdout, stderr = vidcam(
        capfd, "run", files / "clip.mp4", "-o", out, "--model", files / "model.keras", "--labels", files / "labels.txt"
    )
    assert code == 0
    assert stdout.count("\n") == 1
    assert stdout.startswith(f"{out}: 12 frames, 64x48, ")
    scaling = r"scaling none \(its layer rescaling\w*\)"
    line = rf"model \(cat, dog, fish\), Grad-CAM of last, {scaling}, fit squash, (OpenVINO|TensorFlow)\n"
    assert re.fullmatch(line, stderr)
    assert len(read_frames(out)[0]) == 12


def test_the_summary_says_what_was_read_and_written_and_how_sure_the_model_was(files, tmp_path, capfd):
    model = ("--model", files / "model.keras", "--labels", files / "labels.txt", "--overwrite")
    out, rows = tmp_path / "o.gif", tmp_path / "o.csv"

    def summary(*options):
        code, stdout, _ = vidcam(capfd, "run", files / "clip.mp4", "-o", out, "--predictions", rows, *model, *options)
        assert code == 0
        with rows.open() as file:
            table = list(csv.DictReader(file))
        return stdout.rstrip("\n").partition("; ")[2], stdout.split(", ")[0].removeprefix(f"{out}: "), table

    said, frames, table = summary("--fps", 5)
    assert frames == "6 of 12 frames"
    assert len({row["target"] for row in table}) == 1
    mean = np.mean([float(row["probability"]) for row in table])
    assert said == f"{table[0]['target']} (mean {100 * mean:.0f} %)"
    said, frames, table = summary("--target", "fish")
    assert frames == "12 frames"
    fish = 100 * np.mean([float(row["probability"]) for row in table])
    assert re.fullmatch(r"fish, as asked \(mean ([\d.]+) %\)", said)
    assert float(re.search(r"[\d.]+", said.split("mean")[1])[0]) == pytest.approx(fish, abs=0.51)
    said, _, _ = summary("--target", "top/cat/fish", "--method", "gradcam,layercam")
    assert re.fullmatch(r"\w+ \(mean .* %\); cat, as asked \(mean .* %\); fish, as asked \(mean .* %\)", said)
    photo = vidcam(capfd, "run", files / "photo.jpg", "-o", tmp_path / "o.png", *model)[1]
    assert photo.startswith(f"{tmp_path / 'o.png'}: 1 frame, ")


def test_quiet_is_silent(files, tmp_path, capfd):
    assert vidcam(
        capfd, "run", files / "clip.gif", "-o", tmp_path / "o.gif", "--model", files / "binary.keras", "--quiet"
    ) == (0, "", "")


BAD = {
    "missing": (["none.mp4"], 1, "none.mp4: no such file"),
    "folder without a pace": (["folder"], 2, "--fps"),
    "empty folder": (["folder", "--fps", "5"], 1, "folder"),
    "crf of a GIF": (["clip.gif", "--crf", "20"], 2, "--crf"),
    "loop of a video": (["clip.mp4", "--loop", "2"], 2, "--loop"),
    "bytes of a video": (["clip.mp4", "--max-bytes", "2MB"], 2, "--max-bytes"),
    "no number of bytes": (["clip.gif", "--max-bytes", "much"], 2, "10MB"),
    "background": (["clip.gif", "--background", "greenish"], 2, "#RRGGBB"),
    "empty": (["empty.mp4"], 1, "empty.mp4"),
    "text": (["text.mp4"], 1, "text.mp4"),
    "sound only": (["sound.mp4"], 1, "sound.mp4"),
    "unknown model": (["clip.mp4", "--model", "mobilnet_v2"], 2, "mobilenet_v2"),
    "missing model": (["clip.mp4", "--model", "none.keras"], 1, "none.keras: no such file"),
    "unknown label": (["clip.mp4", "--labels", "labels.txt", "--target", "bird"], 2, "its classes are cat, dog, fish"),
    "class out of range": (["clip.mp4", "--target", "3"], 2, "0 to 2"),
    "unknown layer": (["clip.mp4", "--layer", "lats"], 2, "candidates: last"),
    "wrong weights": (["clip.mp4", "--model", "mobilenet_v2", "--weights", "gap.weights.h5"], 1, "gap.weights.h5"),
    "output exists": (["clip.mp4", "-o", "clip.gif"], 2, "--overwrite"),
    "output is the input": (["clip.mp4", "-o", "clip.mp4", "--overwrite"], 2, "the input itself"),
    "no output directory": (["clip.mp4", "-o", "nowhere/o.mp4"], 1, "nowhere"),
    "unknown suffix": (["clip.mp4", "-o", "o.xyz"], 2, ".mp4"),
    "video to a still": (["clip.mp4", "-o", "o.png"], 2, "--start"),
    "alpha": (["clip.mp4", "--alpha", "1.5"], 2, "--alpha"),
    "colormap": (["clip.mp4", "--colormap", "rainbows"], 2, "'rainbows'"),
    "method": (["clip.mp4", "--method", "smoothgrad"], 2, "gradcam"),
    "stride": (["clip.mp4", "--stride", "0"], 2, "--stride"),
    "time": (["clip.mp4", "--start", "soon"], 2, "mm:ss"),
    "end before start": (["clip.mp4", "--start", "1", "--end", "0.5"], 2, "--end"),
    "start behind the end": (["clip.mp4", "--start", "90:00"], 1, "clip.mp4"),
    "size": (["clip.mp4", "--input-size", "big"], 2, "--input-size"),
    "not an image model": (["clip.mp4", "--model", "table.keras"], 2, "not a picture"),
    "dense only": (["clip.mp4", "--model", "dense.keras"], 2, "nothing in it has rows and columns"),
    "scaling unknown": (["clip.mp4", "--model", "unscaled.keras"], 2, "--preprocess"),
    "SavedModel": (["clip.mp4", "--model", "saved"], 1, "saved: "),
    "Lambda": (["clip.mp4", "--model", "lambda.keras"], 1, "--unsafe-model"),
    "too few labels": (["clip.mp4", "--labels", "two.txt"], 2, "2 labels"),
    "predictions suffix": (["clip.mp4", "--predictions", "p.txt"], 2, ".csv or .jsonl"),
    "unknown option": (["clip.mp4", "--colour", "jet"], 2, "--colour"),
    "no source": ([], 2, "SOURCE"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(case, files, capfd, monkeypatch):
    arguments, expected, message = BAD[case]
    monkeypatch.chdir(files)
    before = sorted(files.rglob("*"))
    model = [] if "--model" in arguments else ["--model", "model.keras"]
    code, stdout, stderr = vidcam(capfd, "run", *arguments, *model)
    assert code == expected, stderr
    assert stdout == ""
    lines = [line for line in stderr.splitlines() if not line.startswith("model (")]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("vidcam: ")
    assert message in lines[0]
    assert sorted(files.rglob("*")) == before


def test_no_network_says_how_to_give_weights(files, capfd, monkeypatch, tmp_path):
    from keras.src.applications import mobilenet_v2
    from keras.src.backend import config

    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", (tmp_path / "gone").as_uri() + "/")
    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))
    code, _, stderr = vidcam(capfd, "run", files / "clip.mp4", "-o", tmp_path / "o.mp4", "--model", "mobilenet_v2")
    assert code == 1
    assert "--weights PATH" in stderr
    assert stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_output_directory(files, tmp_path, capfd):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    code, _, stderr = vidcam(capfd, "run", files / "clip.mp4", "-o", locked / "o.mp4", "--model", files / "model.keras")
    assert (code, stderr.count("\n")) == (1, 1)


def test_an_output_that_cannot_be_created(files, capfd):
    code, _, stderr = vidcam(capfd, "run", files / "clip.mp4", "-o", "/proc/o.mp4", "--model", files / "model.keras")
    assert (code, stderr.count("\n")) == (1, 1)
    assert "/proc/o.mp4: cannot be written" in stderr


def test_names_cannot_write_to_the_terminal(tmp_path, capfd):
    code, _, stderr = vidcam(capfd, "run", tmp_path / "a\x1b[31m\nb.mp4")
    assert code == 1
    assert "\x1b" not in stderr
    assert stderr.count("\n") == 1


def test_odd_names_work(files, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.gif", "with blank.gif", 'it\'s "quoted".gif', "ümläut 猫.gif", "100%.gif", "line\nbreak.gif"):
        (tmp_path / name).write_bytes((files / "clip.gif").read_bytes())
        code, stdout, stderr = vidcam(capfd, "run", "--quiet", "--model", files / "model.keras", "--", name)
        assert (code, stdout, stderr) == (0, "", "")
        assert (tmp_path / f"{Path(name).stem}_cam.gif").is_file()


def test_debug_shows_where(files):
    ran = subprocess.run(
        [sys.executable, "-m", "vidcam", "run", "none.mp4", "--debug"], capture_output=True, text=True, check=False
    )
    assert "Traceback" in ran.stderr
    assert ran.returncode == 1


def test_help_without_arguments_and_unknown_commands(capfd):
    code, _, stderr = vidcam(capfd)
    assert code == 2
    assert "Usage: vidcam" in stderr
    code, _, stderr = vidcam(capfd, "paint")
    assert (code, stderr.count("\n")) == (2, 1)


def test_unreadable_frames_are_counted_and_strict_fails(files, tmp_path, capfd):
    from tests.clips import clip_pictures

    pictures = [Image.fromarray(p) for p in clip_pictures(6)]
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"f{i}.png")
    (tmp_path / "f3.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing of use")
    arguments = ["run", tmp_path / "f%d.png", "--fps", "5", "--model", files / "model.keras"]
    code, stdout, _ = vidcam(capfd, *arguments, "-o", tmp_path / "a.mp4")
    assert code == 0
    assert "5 of 6 frames, 1 unreadable" in stdout
    code, _, stderr = vidcam(capfd, *arguments, "-o", tmp_path / "b.mp4", "--strict")
    assert code == 1
    assert stderr.splitlines()[-1].endswith("1 frame could not be read (--strict)")


def test_a_pipe_as_source_is_refused_instead_of_waited_for(tmp_path, capfd):
    os.mkfifo(tmp_path / "pipe.mp4")
    code, _, stderr = vidcam(capfd, "run", tmp_path / "pipe.mp4")
    assert (code, stderr.count("\n")) == (1, 1)
    assert "pipe.mp4: is no file" in stderr


@pytest.mark.parametrize("closing", [">&-", "| true"])
def test_a_closed_standard_output_is_one_line(files, tmp_path, closing):
    out = tmp_path / "o.gif"
    command = f'"$1" -m vidcam run "$2" -o "$3" --model "$4" {closing}; exit "${{PIPESTATUS[0]}}"'
    ran = subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, files / "clip.gif", out, files / "model.keras"],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 2, ran.stderr  # the model, the error
    assert "standard output" in ran.stderr
    assert out.is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_standard_output_that_takes_nothing_is_one_line(files, tmp_path):
    arguments = [sys.executable, "-m", "vidcam", "run", str(files / "clip.gif"), "-o", str(tmp_path / "o.gif"),
                 "--model", str(files / "model.keras")]  # fmt: skip
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 2  # the model, the error
    assert "standard output" in ran.stderr


def test_a_picture_without_a_terminal_has_no_bar(files, tmp_path, capfd):
    code, _, stderr = vidcam(
        capfd, "run", files / "photo.jpg", "-o", tmp_path / "o.png", "--model", files / "binary.keras"
    )
    assert code == 0
    line = r"binary \(class 0, class 1\), Grad-CAM of last, scaling \w+ \(.*\), fit squash, (OpenVINO|TensorFlow)\n"
    assert re.fullmatch(line, stderr)
    assert np.asarray(Image.open(tmp_path / "o.png")).shape == (48, 64, 3)


def test_several_models_have_their_own_options_and_a_summary(files, tmp_path, capfd):
    models = ("--model", files / "model.keras", "--model", files / "binary.keras")
    own = ("--labels", files / "labels.txt", "--labels", "-", "--layer", "-", "--layer", "first", "--fit", "squash")
    code, stdout, stderr = vidcam(capfd, "run", files / "clip.mp4", "-o", tmp_path / "o.mp4", *models, *own)
    assert code == 0
    assert [line.split(",")[0] for line in stderr.splitlines()] == ["model (cat", "binary (class 0"]
    assert re.findall("Grad-CAM of (\\w+)", stderr) == ["last", "first"]
    lines = stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'o.mp4'}: 12 frames, 128x48, ")
    assert [line.split(":")[0] for line in lines[1:]] == ["model", "binary", "model and binary"]
    assert "say with --labels what they are called), so that maps alone are compared, over 12 frames" in lines[3]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model", "a", "--model", "b", "--model", "c", "--model", "d", "--model", "e"), "--model is given 5 times"),
        (
            ("--model", "a", "--model", "b", "--fit", "pad", "--fit", "crop", "--fit", "-"),
            "--fit is given 3 times for 2 models; give it once, or 2 times, - for a model's own",
        ),
        (("--model", "a", "--fit", "pad", "--fit", "crop"), "--fit is given 2 times for 1 model; give it once"),
        (("--model", "a", "--model", "b", "--workers", "2"), "--workers 2: cannot be chosen with several --model"),
        (("--model", "a", "--model", "b", "--from-maps", "m.npz"), "--model cannot be chosen with --from-maps m.npz"),
    ],
)
def test_what_several_models_cannot_have_is_one_line(files, tmp_path, capfd, options, said):
    code, stdout, stderr = vidcam(capfd, "run", files / "clip.mp4", "-o", tmp_path / "o.mp4", *options)
    assert (code, stdout) == (2, "")
    assert said in stderr
    assert len(stderr.splitlines()) == 1
