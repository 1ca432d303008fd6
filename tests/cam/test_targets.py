"""What a user may say to name a class."""

from __future__ import annotations

import pytest

from vidcam.cam import resolve_target, target_name
from vidcam.errors import UsageError
from vidcam.models.zoo import imagenet_labels

LABELS = imagenet_labels()


def test_top_is_left_to_each_frame():
    assert resolve_target("top", LABELS) is None
    assert resolve_target(None, LABELS) is None


@pytest.mark.parametrize(
    ("said", "indices"),
    [
        ("tabby", (281,)),
        ("Tabby", (281,)),
        ("tiger_cat", (282,)),
        ("tiger cat", (282,)),
        ("281", (281,)),
        (281, (281,)),
        ("tabby,282", (281, 282)),
        (["tabby", 285], (281, 285)),
        ("tabby, tabby", (281,)),
        ("134", (134,)),
    ],
)
def test_labels_and_indices_are_found(said, indices):
    assert resolve_target(said, LABELS) == indices


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("tabbi", "close ones: tabby"),
        ("crane", "134, 517"),
        ("1000", "0 to 999"),
        (-1, "0 to 999"),
        ("", "no class"),
        ("shepherd", "German shepherd"),
        ("cat", "close ones: tiger cat, Persian cat, Siamese cat, Egyptian cat"),
        ("cats", "close ones: tiger cat, Persian cat, Siamese cat, Egyptian cat"),
        ("white terrier", "close ones: West Highland white terrier"),
        ("terrier", r"close ones: .* terrier, .* and \d+ more"),
        ("!!", "none close to that"),
    ],
)
def test_what_is_not_found_is_explained(said, message):
    with pytest.raises(UsageError, match=message):
        resolve_target(said, LABELS)


def test_few_classes_are_all_listed():
    with pytest.raises(UsageError, match="its classes are cat, dog"):
        resolve_target("bird", ("cat", "dog"))


def test_a_label_with_a_comma_is_one_label():
    assert resolve_target("left, upper", ("left, upper", "right")) == (0,)


def test_names_are_joined():
    assert target_name((281, 282), LABELS) == "tabby + tiger cat"
