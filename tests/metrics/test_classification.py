"""Scores of a classifier against literal loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from vidcam.metrics import classification

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 3, 400)
LOGITS = RNG.normal(size=(400, 3)) + 2 * np.eye(3)[CLASSES]
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def test_scores_agree_with_scikit_learn() -> None:
    scores = classification.score(P, CLASSES, ("a", "b", "c"))
    guess = P.argmax(axis=1)
    assert scores.accuracy == pytest.approx(reference.accuracy_score(CLASSES, guess))
    assert scores.loss == pytest.approx(reference.log_loss(CLASSES, P))
    np.testing.assert_array_equal(scores.confusion, reference.confusion_matrix(CLASSES, guess))
    assert scores.report["b"]["recall"] == pytest.approx(scores.confusion[1, 1] / (CLASSES == 1).sum())
    assert "weighted avg" in scores.report_text


def test_a_class_without_pictures_keeps_its_row() -> None:
    scores = classification.score(np.array([[0.9, 0.1, 0.0]]), np.array([0]), ("a", "b", "c"))
    assert scores.confusion.shape == (3, 3)
    assert scores.accuracy == 1


def test_one_sigmoid_output_is_two_classes() -> None:
    p = np.array([[0.3], [0.9]])
    np.testing.assert_allclose(classification.two_columns(p), [[0.7, 0.3], [0.1, 0.9]])
    np.testing.assert_allclose(classification.cross_entropies(p, np.array([0, 1])), [-np.log(0.7), -np.log(0.9)])


def test_expected_calibration_error_against_a_loop() -> None:
    total = 0.0
    for low in range(10):
        chosen = [i for i in range(len(P)) if low / 10 < P[i].max() <= (low + 1) / 10]
        if chosen:
            right = sum(P[i].argmax() == CLASSES[i] for i in chosen) / len(chosen)
            sure = sum(P[i].max() for i in chosen) / len(chosen)
            total += len(chosen) / len(P) * abs(right - sure)
    bins = classification.reliability(P, CLASSES, bins=10)
    assert bins.expected_error == pytest.approx(total)
    assert bins.count.sum() == len(P)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_logits_were_multiplied_by_is_found(temperature: float) -> None:
    """Labels drawn from the probabilities themselves, so that temperature 1 is right."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20000, 1))
    classes = (rng.random(20000) < 1 / (1 + np.exp(-logits[:, 0]))).astype(int)
    sharpened = 1 / (1 + np.exp(-logits * temperature))
    assert classification.best_temperature(sharpened, classes) == pytest.approx(temperature, rel=0.05)


def test_a_few_pictures_all_right_are_no_reason_for_certainty() -> None:
    p = np.array([[0.8], [0.7], [0.2], [0.25]])
    classes = np.array([1, 1, 0, 0])
    t = classification.best_temperature(p, classes)
    scaled = 1 / (1 + np.exp(-np.log(p / (1 - p)) / t))
    assert 0.7 < scaled.max() < 0.9


def _scores(accuracy: float, count: int = 1000) -> classification.Scores:
    right = round(accuracy * count)
    p = np.array([[0.9, 0.1]] * right + [[0.1, 0.9]] * (count - right))
    return classification.score(p, np.zeros(count, int), ("a", "b"))


def test_the_verdict_names_overfitting_only_where_the_difference_is_no_chance() -> None:
    said = classification.overfitting({"train": _scores(0.99), "val": _scores(0.9), "test": _scores(0.9)})
    assert said.startswith("Overfitting")
    assert "validation and test" in said
    assert "99.0 %" in said
    agree = {"train": _scores(0.93), "val": _scores(0.92), "test": _scores(0.92)}
    assert "no overfitting" in classification.overfitting(agree)
    few = {"train": _scores(0.93), "test": _scores(0.9, count=20)}
    assert "no overfitting" in classification.overfitting(few)
    apart = {"train": _scores(0.9), "val": _scores(0.97), "test": _scores(0.9)}
    assert "disagree" in classification.overfitting(apart)
    assert "Only one split" in classification.overfitting({"test": _scores(0.9)})
