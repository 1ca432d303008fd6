"""Every real file in one batch: done, or failed with one line; then nothing is left to do.

`pytest -m slow tests/batch/test_real_media.py` prints what came of each.
"""

from __future__ import annotations

import pytest

from vidcam.batch import run_batch


@pytest.mark.slow
def test_every_file_is_done_or_fails_with_one_line_and_a_second_run_does_nothing(shared_data, tmp_path, capfd):
    inputs = [shared_data / "media", shared_data / "seed"]
    made = run_batch(inputs, tmp_path / "out", recursive=True)
    with capfd.disabled():
        print("", *(f"{r.name}: {r.error or r.output}" for r in (*made.done, *made.failed)), sep="\n  ")
    assert len(made.done) + len(made.failed) == len(made.steps)
    assert len(made.done) >= 150
    assert all(r.error and "\n" not in r.error and "internal error" not in r.error for r in made.failed)
    assert not list(tmp_path.rglob("*.part"))
    again = run_batch(inputs, tmp_path / "out", recursive=True)
    assert not again.done
    assert [r.name for r in again.failed] == [r.name for r in made.failed]
    assert len(again.skipped) == len(made.done)
