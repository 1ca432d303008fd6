"""What a class that stands for none of the others is worth."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vidcam.metrics.rejection import among_others, rejection

P = np.array([[0.6, 0.1, 0.3], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3], [0.3, 0.1, 0.6], [0.5, 0.4, 0.1]])
CLASSES = np.array([0, 1, 1, 2, 2])


def test_what_is_recognised_and_what_is_lost() -> None:
    found = rejection(P, CLASSES, 2)
    assert (found.none, found.recognised, found.others) == (2, 0.5, 3)
    assert found.lost == pytest.approx(1 / 3)
    assert found.as_json()["lost_standard_error"] == pytest.approx(np.sqrt(2 / 9 / 3))
    assert found.sentence("nothing") == (
        "nothing: 50.00 % (+-35.36) of 2 recognised, 33.33 % (+-27.22) of 3 others taken for it"
    )
    alone = rejection(P[:3], CLASSES[:3], 2)
    assert json.loads(json.dumps(alone.as_json()))["recognised"] is None
    assert "recognised" not in alone.sentence("nothing")


@pytest.mark.parametrize("neither", [0, 1, 2])
def test_among_the_others_it_has_to_choose(neither: int) -> None:
    p, classes = among_others(P, CLASSES, neither)
    kept = [i for i in range(5) if CLASSES[i] != neither]
    names = [c for c in range(3) if c != neither]
    assert p.shape == (len(kept), 2)
    for row, i in enumerate(kept):
        rest = [P[i][c] for c in names]
        np.testing.assert_allclose(p[row], np.array(rest) / sum(rest))
        assert names[classes[row]] == CLASSES[i]
