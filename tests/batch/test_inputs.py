"""From arguments to inputs: what is taken, what it is called, and that no two outputs are."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from vidcam.batch.inputs import find_inputs, output_name
from vidcam.errors import UsageError, VidcamError


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    plain = [
        "clips/a.mov",
        "clips/a.mp4",
        "clips/notes.txt",
        "clips/.hidden.mp4",
        "clips/.git/c.mp4",
        "clips/sub/b.gif",
    ]
    for name in (*plain, "clips/sub/deep/é \"x\" 'y'.webm", "clips/sub/-dash.mp4", "other/d.PNG"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str, listed: str | None = None, outdir: str = "out", recursive: bool = True) -> list[str]:
    found = find_inputs(arguments, listed and Path(listed), Path(outdir), recursive=recursive)
    return [one.name for one in found.inputs]


ALL = ["a.mov", "a.mp4", "sub/-dash.mp4", "sub/b.gif", "sub/deep/é \"x\" 'y'.webm"]


def test_a_folder_gives_its_media_by_their_paths_in_it(tree):
    assert names("clips") == ALL
    assert names("clips", recursive=False) == ["a.mov", "a.mp4"]
    found = find_inputs(["clips"], None, Path("out"), recursive=False)
    assert (found.ignored, found.folders) == (1, 1)


@pytest.mark.parametrize("order", itertools.permutations(["clips/sub", "other", "clips/a.mov"]))
def test_names_begin_where_all_that_is_given_has_its_common_folder_whatever_the_order(tree, order):
    assert names(*order) == ["clips/a.mov", *(f"clips/{n}" for n in ALL[2:]), "other/d.PNG"]


def test_globs_are_expanded_and_named_from_their_part_without_wildcards(tree):
    assert names("clips/*.m*") == ["a.mov", "a.mp4"]
    assert names("clips/**/*.gif") == ["sub/b.gif"]
    assert names(f"{tree}/clips/sub/*") == ["-dash.mp4", "b.gif"]
    (tree / "we[i]rd.mp4").touch()
    assert names("we[i]rd.mp4") == ["we[i]rd.mp4"]
    with pytest.raises(UsageError, match=r"clips/\*\.avi: no file"):
        names("clips/*.avi")


def test_a_file_that_is_given_twice_is_one_input(tree):
    assert names("clips/a.mov", f"{tree}/clips/a.mov", "clips/../clips/a.mov") == ["a.mov"]
    assert names("clips", "clips/a.mov") == ALL


def test_a_file_that_is_named_is_taken_whatever_it_is_or_is_not(tree):
    assert names("clips/notes.txt", "clips/gone.mp4") == ["gone.mp4", "notes.txt"]


def test_links_to_folders_are_followed_and_no_folder_is_entered_twice(tree):
    (tree / "clips/sub/loop").symlink_to(tree / "clips")
    (tree / "clips/zother").symlink_to(tree / "other")
    assert names("clips") == [*ALL, "zother/d.PNG"]


def test_outputs_are_not_fed_back(tree):
    (tree / "clips/out/sub").mkdir(parents=True)
    (tree / "clips/out/sub/b.gif").touch()
    assert names("clips", outdir="clips/out") == ALL
    assert names("clips/**/*.gif", outdir="clips/out") == ["sub/b.gif"]
    for arguments, outdir in ((["clips/out/sub/b.gif"], "clips/out"), (["clips"], "clips"), (["clips"], ".")):
        with pytest.raises(UsageError, match="output folder"):
            names(*arguments, outdir=outdir)


@pytest.mark.parametrize("recursive", [False, True])
def test_a_folder_without_media_is_an_error_that_says_so(tree, recursive):
    (tree / "none/inner").mkdir(parents=True)
    (tree / "none/x.txt").touch()
    with pytest.raises(UsageError, match=r"1 other file\)" if recursive else "give -r"):
        names("none", recursive=recursive)
    with pytest.raises(UsageError, match="nothing to do"):
        names()


def test_a_list_gives_targets_and_times_and_is_relative_to_its_folder(tree):
    (tree / "clips/list.csv").write_text(
        "\ufefffile, target,start,end,grade\nsub/b.gif,cat,,,1\na.mov,,1:10,80.5,2\na.mov,tabby/tiger,,,3\n", "utf-8"
    )
    found = find_inputs([], Path("clips/list.csv"), Path("out"), recursive=False)
    assert [(i.name, i.target, i.start, i.end) for i in found.inputs] == [
        ("a~70-80.5.mov", None, 70.0, 80.5),
        ("a~tabby_tiger.mov", "tabby/tiger", None, None),
        ("sub/b.gif", "cat", None, None),
    ]
    assert found.inputs[0].path == tree / "clips/a.mov"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\na.mov\n", "no column `file`"),
        ("", "no column `file`"),
        ("file,start\na.mov,soon\n", "line 2: 'soon' is no time"),
        ("file,start\n,3\n", "line 2 names no file"),
    ],
)
def test_a_list_that_makes_no_sense_is_an_error_with_its_line(tree, text, said):
    (tree / "list.csv").write_text(text)
    with pytest.raises(UsageError, match=said):
        names(listed="list.csv")


def test_a_list_that_is_no_text_is_an_error(tree):
    (tree / "list.csv").write_bytes(b"file\n\xff\xfe\n")
    with pytest.raises(VidcamError, match="UTF-8"):
        names(listed="list.csv")
    with pytest.raises(VidcamError, match="No such file"):
        names(listed="gone.csv")


@pytest.mark.parametrize(
    ("name", "suffix", "output"),
    [
        ("s/a.mov", ".gif", "s/a.mov.gif"), ("a.gif", ".gif", "a.gif"), ("a.GIF", ".gif", "a.GIF"),
        ("a.mov.gif", ".gif", "a.mov.gif.gif"), ("a", ".gif", "a.gif.gif"), ("Mr. X.gif", ".gif", "Mr. X.gif"),
        ("a.gif", ".png", "a.gif.png"),
    ],
)  # fmt: skip
def test_an_output_is_called_after_the_whole_input(name, suffix, output):
    assert output_name(name, suffix) == output


def test_no_two_outputs_have_one_name():
    rng = random.Random(0)
    parts = ["a", "b", ".mov", ".gif", ".png", ".GIF", ".", ".dat", "~1-2"]
    inputs = {"".join(rng.choices(parts, k=rng.randint(1, 5))) for _ in range(3000)} - {".", ".."}
    for _ in range(20):
        # A still among clips becomes a picture: the suffix is each input's own.
        outputs = [output_name(name, rng.choice([".gif", ".png", ".mp4"])) for name in inputs]
        assert len(set(outputs)) == len(outputs)
