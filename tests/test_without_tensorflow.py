"""What was explained once, and what ships, works where TensorFlow and Keras cannot be imported; nothing is sent.

One subprocess, whose imports of both are refused, serves all; each part says what is in `sys.modules` at its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.networks import gap_cnn, pictures
from vidcam._openvino import installed
from vidcam.cam import Explainer
from vidcam.cam.anatomy import anatomy_of
from vidcam.models import load_model
from vidcam.pipeline.export import export

pytestmark = pytest.mark.skipif(not installed(), reason="OpenVINO is not installed")
ROOT = Path(__file__).resolve().parents[1]
BLOCKED = """
import json, os, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras"):
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refused())
forks = []
os.register_at_fork(before=lambda: forks.append(1))
from vidcam.cli import _run
codes = {}
for name, command in json.loads(sys.argv[1]).items():
    codes[name] = _run(command, debug=False), len(forks)
import vidcam
classifier = vidcam.load_model("model.keras", preprocess="none", fit="keep", input_size=32)
found = vidcam.Explainer(classifier, "layercam")(__import__("numpy").load("frames.npy"))
__import__("numpy").save("maps.npy", found.maps)
loaded = [name for name in ("tensorflow", "keras", "openvino_telemetry", "openvino.tools.ovc") if name in sys.modules]
import openvino  # as others may, after vidcam
assert callable(openvino.convert_model) and not hasattr(openvino, "no_such_thing")
print(json.dumps({"codes": codes, "loaded": loaded}))
"""
OPTIONS = ["--preprocess", "none", "--fit", "keep", "--input-size", "32"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[Path, dict[str, object], str]:
    """Runs every command with a model the second time, a `.vidcam` file and the bundled one."""
    folder = tmp_path_factory.mktemp("without")
    model = gap_cnn(size=None)
    model.save(folder / "model.keras")
    np.save(folder / "frames.npy", pictures(3))
    gif = str(ROOT / "samples" / "cat.gif")
    environment = {**os.environ, "VIDCAM_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    os.environ["VIDCAM_CACHE"], before = environment["VIDCAM_CACHE"], os.environ["VIDCAM_CACHE"]
    try:
        classifier = load_model(folder / "model.keras", preprocess="none", fit="keep", input_size=32)
        maps = Explainer(classifier, "layercam")(pictures(3)).maps  # the first time
        anatomy_of(classifier)
        export(classifier, folder / "model.vidcam")
    finally:
        os.environ["VIDCAM_CACHE"] = before
    np.save(folder / "want.npy", maps)
    gif = str(ROOT / "samples" / "cat.gif")
    commands: dict[str, list[str]] = {}
    for name, chosen in {
        "bundled": [],
        "file": ["--model", "model.vidcam"],
        "again": ["--model", "model.keras", *OPTIONS],
    }.items():
        which = chosen[1:] if chosen else ["cats_dogs"]
        commands |= {
            f"run {name}": ["run", gif, "-o", f"{name}.gif", "--method", "gradcam,scorecam", "--top-channels", "4",
                            "--end", "0.3", "-q", *chosen],
            f"inspect {name}": ["inspect", "-q", *which],
            f"live {name}": ["live", gif, "--serve", "0", "--duration", "0.2", "-q", *chosen],
            f"batch {name}": ["batch", gif, "-o", f"batch_{name}", "--workers", "1", "-q", *chosen],
        }  # fmt: skip
    (folder / "other.keras").write_bytes((folder / "model.keras").read_bytes()[:-1] + b"\0")
    commands["new"] = ["run", gif, "-o", "new.gif", "--model", "other.keras", *OPTIONS]
    for label in ("a", "b"):
        (folder / "data" / label).mkdir(parents=True)
        for i, picture in enumerate(pictures(8, seed=ord(label))):
            cv2.imwrite(str(folder / "data" / label / f"{i}.png"), picture)
    commands["train"] = ["train", "data", "-o", "trained.keras", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, json.dumps(commands)],
        capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_every_command_works_without_tensorflow(ran):
    folder, said, errors = ran
    failed = {name: code for name, (code, _) in said["codes"].items() if code and name not in ("new", "train")}
    assert not failed, errors
    assert said["loaded"] == []
    for name in ("bundled", "file", "again"):
        assert (folder / f"{name}.gif").stat().st_size > 1000
        assert (folder / f"batch_{name}" / "cat.gif").stat().st_size > 1000
    np.testing.assert_array_equal(np.load(folder / "maps.npy"), np.load(folder / "want.npy"))


def test_no_process_is_forked_by_what_is_imported(ran):
    _, said, _ = ran
    forks = [count for name, (_, count) in said["codes"].items() if name.startswith(("run", "inspect", "live"))]
    assert forks[:2] == [0, 0]  # batch forks nothing either, but starts its workers


def test_what_needs_tensorflow_says_so_in_one_line(ran):
    _, said, errors = ran
    assert said["codes"]["new"][0] == said["codes"]["train"][0] == 1
    assert "Traceback" not in errors
    lines = [line for line in errors.splitlines() if "TensorFlow" in line]
    assert len(lines) >= 2
    assert all("needs TensorFlow" in line for line in lines)
