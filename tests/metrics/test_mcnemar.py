"""McNemar's test against scipy's distributions, by counting all splits, and by drawing."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from vidcam.metrics.mcnemar import holm, mcnemar_p, mcnemar_tests


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 1), (3, 3), (0, 6), (9, 2), (12, 12), (1, 23)])
def test_few_pictures_are_tested_exactly(b: int, c: int) -> None:
    reference = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_p(b, c) == mcnemar_p(c, b) == pytest.approx(reference, rel=1e-12)


def test_the_exact_probability_is_the_share_of_splits_as_uneven() -> None:
    splits = [sum(heads) for heads in product((0, 1), repeat=8)]
    assert mcnemar_p(1, 7) == pytest.approx(np.mean([abs(heads - 4) >= 3 for heads in splits]))


@pytest.mark.parametrize(("b", "c"), [(12, 13), (20, 20), (5, 20), (150, 86), (900, 1000)])
def test_many_pictures_are_tested_by_chi_square_with_the_correction(b: int, c: int) -> None:
    square = max(0, abs(b - c) - 1) ** 2 / (b + c)
    assert mcnemar_p(b, c) == mcnemar_p(c, b) == pytest.approx(stats.chi2.sf(square, 1), rel=1e-9)
    exact = stats.binomtest(b, b + c, 0.5).pvalue
    assert mcnemar_p(b, c) == pytest.approx(exact, abs=0.01)


def test_the_counts_difference_and_verdict() -> None:
    a, b = np.ones(100, bool), np.ones(100, bool)
    a[:10] = False
    b[4:34] = False
    (test,) = mcnemar_tests({"a": a, "b": b})
    assert (test.both, test.first_only, test.second_only, test.neither, test.count) == (66, 24, 4, 6, 100)
    assert test.difference == pytest.approx(a.mean() - b.mean())
    assert test.error == pytest.approx((a.astype(float) - b).std() / 10)
    assert (test.exact, test.p, test.adjusted) == (False, mcnemar_p(24, 4), mcnemar_p(24, 4))
    assert test.verdict() == "a is right more often"
    (other,) = mcnemar_tests({"b": b, "a": a})
    assert other.verdict() == "a is right more often"
    assert other.difference == -test.difference
    (same,) = mcnemar_tests({"a": a, "c": a.copy()})
    assert (same.p, same.error, same.verdict()) == (1.0, 0.0, "the difference may be chance")


def test_of_several_tests_the_verdict_goes_by_all_of_them() -> None:
    """By the definition: the smallest times their number, the next times one less, never below one before."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    a, b, c = np.ones(60, bool), np.ones(60, bool), np.ones(60, bool)
    b[:6] = False  # by itself 6 to 0 has p = 1/32
    tests = mcnemar_tests({"a": a, "b": b, "c": c})
    assert [(t.first, t.second) for t in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert tests[0].p == pytest.approx(1 / 32)
    assert tests[0].adjusted == pytest.approx(3 / 32)
    assert {t.verdict() for t in tests} == {"the difference may be chance"}


def test_two_equal_models_are_told_apart_in_one_of_twenty_draws_at_most() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        right = rng.random((2, 300)) < 0.9
        found.append(mcnemar_tests(dict(zip("ab", right, strict=True)))[0].p < 0.05)
    assert 0.02 < np.mean(found) < 0.05
