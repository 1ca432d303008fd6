"""The comparison with other libraries explains itself without them, and its PyTorch network has the shape of Keras'."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import peers

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("script", ["peers", "end_to_end"])
def test_help_needs_no_other_library(script):
    code = (
        "import runpy, sys\n"
        "sys.modules |= dict.fromkeys(('tensorflow', 'keras', 'torch', 'cv2', 'openvino'))\n"
        f"sys.argv = ['{script}', '--help']\n"
        f"runpy.run_module('tests.benchmarks.{script}', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m tests.benchmarks" in done.stdout


def test_likeness_knows_equal_from_different_maps():
    maps = np.random.default_rng(0).random((2, 7, 7)).astype(np.float32)
    assert peers.likeness(maps, 3.0 * maps + 1.0, None) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-6))
    correlation, difference = peers.likeness(maps, maps[:, ::-1], None)
    assert correlation < 0.9
    assert difference > 0.1


def test_the_verdict_is_of_medians_and_per_frame():
    times = {
        ("GradientTape, eager", "explain", 1): [0.2, 0.2, 9.0],
        ("GradientTape, eager", "explain", 8): [0.05],
        ("xplique", "explain", 1): [0.03],
        ("xplique", "explain", 8): [0.012],
        ("xplique", "given", 1): [0.02],
        ("xplique", "given", 8): [0.006],
        ("vidcam, OpenVINO", "explain", 1): [0.003],
        ("vidcam, OpenVINO", "explain", 8): [0.002],
        ("vidcam, OpenVINO", "forward", 1): [0.003],
        ("vidcam, OpenVINO", "forward", 8): [0.002],
    }
    (line,) = peers.verdict(times)
    assert "1.00 times its own forward pass" in line
    assert "6.0 times faster than xplique, the fastest other" in line
    assert "3.0 times faster than xplique with the class given" in line
    assert "100 times faster than eager frame by frame" in line
    assert len(peers.table(times, {}, "vidcam, OpenVINO")) == 2 + 5
