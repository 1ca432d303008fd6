"""Networks that see time through a batch: what a run gives, in the records, the tables and the page."""

from __future__ import annotations

import json
import re

import imageio.v3 as iio
import numpy as np

from tests import motion
from tests.networks import randomize
from vidcam import run
from vidcam.batch.numbers import numbers_of
from vidcam.report.clip import WEIGHT


def test_a_batch_gives_what_a_run_gives(batch, tmp_path):
    model, folder, out = tmp_path / "motion.keras", tmp_path / "drawn", tmp_path / "out"
    randomize(motion.conv3d()).save(model)
    folder.mkdir()
    (clip,) = motion.draw(1, seed=7, length=12).pictures
    iio.imwrite(folder / "clip.gif", clip.repeat(4, 1).repeat(4, 2), duration=100, loop=0)
    iio.imwrite(folder / "still.png", clip[0].repeat(4, 0).repeat(4, 1))
    made = batch(folder, model=model, clip_stride=2, fps=10, report=True)
    assert not made.failed
    records = {record.name: record for record in made.done}
    assert set(records) == {"clip.gif", "still.png"}

    alone = run(folder / "clip.gif", tmp_path / "alone.gif", model=model, clip_stride=2, fps=10, keep_track=True)
    assert alone.track is not None
    np.testing.assert_array_equal(iio.imread(out / "clip.gif"), iio.imread(tmp_path / "alone.gif"))
    expected = numbers_of(alone.track, alone.steadiness, alone.shares)
    kept = records["clip.gif"].numbers
    assert (kept["explained"], kept["target"], kept["switches"]) == (12, expected.target, expected.switches)
    for label, curve in expected.curves.items():
        np.testing.assert_allclose(kept["curves"][label], curve, atol=1e-6)
    assert len((out / "predictions.csv").read_text("utf-8").splitlines()) > 1 + 12

    page = (out / records["clip.gif"].page).read_text("utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    importance = alone.track.importance
    np.testing.assert_allclose(dict(data["curves"])[WEIGHT], 1e4 * importance / importance.max(), atol=1)

    assert not batch(folder, model=model, clip_stride=2, fps=10, report=True).done
    again = batch(folder, model=model, clip_stride=3, fps=10, report=True)
    assert len(again.done) == 2  # another stride is other maps
