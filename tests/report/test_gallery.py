"""The page of a batch as a file: its data whole, its links right, nothing in a name that could become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from vidcam.errors import VidcamError
from vidcam.metrics.extent import EVEN
from vidcam.report import html
from vidcam.report.gallery import ClipCard, flags, write_gallery

NASTY = (
    "<img src=x onerror=alert(1)>.gif",
    "</script><script>alert(1)</script>.gif",
    "a b#c?d%41&amp;'\"\\.gif",
    "\u2028\u2029\u202egif.\u00fc\u732b.gif",
    "10:30 -- it.gif",
    "\udcff\udc80 not utf-8.gif",
    "__proto__",
)
PLAIN = ClipCard(
    "a/b.mp4", "a/b.gif", "a/b.jpg", "", 50, 2.0, (480, 270), "tabby", 0.9, 0.7, 1, 0.1, 0.2, 0.05,
    {"tabby": 40, "7": 8, "3": 2}, (0.0, 1.0, 1.96), {"tabby": (0.9, 0.95, 0.85), "7": (0.05, 0.02, 0.1)},
)  # fmt: skip


class Reader(HTMLParser):
    """The tags of a page, and the text of its elements by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(dict(attrs).get("id") or tag)

    def handle_endtag(self, tag: str) -> None:
        self._inside.append("")

    def handle_data(self, data: str) -> None:
        name = self._inside[-1] if self._inside else ""
        self.texts[name] = self.texts.get(name, "") + data


def written(path: Path, entries: list[ClipCard], title: str = "A batch") -> tuple[Reader, dict]:
    write_gallery(path, entries, title)
    assert [p.name for p in path.parent.glob(".*")] == []
    page = Reader(path.read_text("utf-8"))
    return page, json.loads(page.texts["data"])


def test_every_figure_arrives(tmp_path):
    entries = [replace(PLAIN, steadiness=0.0412), PLAIN, ClipCard("c.mp4", failed="is empty")]
    _, data = written(tmp_path / "index.html", entries)
    steady, clip, failed = data["clips"]
    assert (steady["steadiness"], clip["steadiness"]) == (0.0412, None)
    for name in ("source", "frames", "seconds", "target", "confidence", "lowest", "switches", "border", "spread"):
        assert clip[name] == getattr(PLAIN, name)
    assert clip["size"] == [480, 270]
    # In their order, also where a name looks like a number.
    assert clip["classes"] == [["tabby", 40], ["7", 8], ["3", 2]]
    assert clip["curves"] == [["tabby", [900, 950, 850]], ["7", [50, 20, 100]]]
    assert failed == {"source": "c.mp4", "failed": "is empty"}


def test_heat_on_the_thing_is_shown_and_flagged_where_somebody_says_where_the_thing_is(tmp_path):
    known = replace(PLAIN, heat_inside=0.31, box_share=0.42, centre_inside=0.5, neither="no cat")
    _, data = written(tmp_path / "index.html", [known, PLAIN])
    assert [clip["inside"] for clip in data["clips"]] == [[0.31, 0.42, 0.5], [None] * 3]
    assert [clip["neither"] for clip in data["clips"]] == ["no cat", ""]
    assert data["clips"][0]["flags"] == [["beside", "31.0 % of the heat on the thing, 42.0 % of the picture"]]
    assert flags(replace(known, heat_inside=0.43)) == []
    assert "beside" in [kind["name"] for kind in data["kinds"]]
    _, data = written(tmp_path / "index.html", [PLAIN])
    assert "beside" not in [kind["name"] for kind in data["kinds"]]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_text_and_its_link_leads_to_it(tmp_path, name):
    entry = replace(PLAIN, source=name, output=f"sub dir/{name}", poster=name, target=name, classes={name: 3})
    plain, _ = written(tmp_path / "plain.html", [PLAIN])
    page, data = written(tmp_path / "index.html", [entry, ClipCard(name, failed=f"{name}: is empty")], title=name)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    clip, failed = data["clips"]
    assert (clip["source"], clip["target"], clip["classes"]) == (name, name, [[name, 3]])
    assert failed["failed"] == f"{name}: is empty"
    base = "file:///some/folder/index.html"
    url = urlsplit(urljoin(base, clip["output"]))
    assert (url.scheme, url.netloc, url.query, url.fragment) == ("file", "", "", "")
    assert unquote(url.path, errors="surrogateescape") == f"/some/folder/sub dir/{name}"
    assert unquote(urlsplit(urljoin(base, clip["poster"])).path, errors="surrogateescape") == f"/some/folder/{name}"
    raw = (tmp_path / "index.html").read_bytes()
    assert not re.search(rb"\xe2\x80[\xa8\xa9]", raw.split(b'id="data">')[1].split(b"</script>")[0])


def test_numbers_that_are_not_finite_are_none(tmp_path):
    nan = float("nan")
    entry = replace(PLAIN, border=nan, flicker=float("inf"), confidence=nan, curves={"tabby": (nan, 0.5, 1.0)})
    _, data = written(tmp_path / "index.html", [entry])
    clip = data["clips"][0]
    assert (clip["border"], clip["flicker"], clip["confidence"]) == (None, None, None)
    assert clip["curves"] == [["tabby", [None, 500, 1000]]]
    assert clip["flags"] == []


def test_the_policy_allows_the_pages_own_script_and_style_and_no_network(tmp_path):
    page, _ = written(tmp_path / "index.html", [PLAIN])
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.texts[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [a for tag, a in page.tags if tag in ("script", "link", "img", "iframe") and "http" in str(a)]


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({}, []),
        ({"confidence": 0.29}, ["confidence"]),
        ({"confidence": 0.69}, []),
        ({"confidence": 0.69, "curves": {"a": (0.6, 0.8), "b": (0.4, 0.2)}}, ["confidence"]),
        ({"confidence": 0.69, "curves": {"a": (0.6, 0.8), "b": (0.1, 0.1)}}, []),
        ({"switches": 3}, []),
        ({"switches": 4}, ["switches"]),
        ({"switches": 29, "seconds": 60.0}, []),
        ({"switches": 31, "seconds": 60.0}, ["switches"]),
        ({"border": EVEN - 0.01}, []),
        ({"border": EVEN + 0.01}, ["border"]),
        ({"confidence": 0.1, "switches": 9, "border": 0.8}, ["confidence", "switches", "border"]),
    ],
)
def test_what_is_flagged_and_why(changed, kinds):
    assert [kind for kind, _ in flags(replace(PLAIN, **changed))] == kinds


def test_models_that_disagree_are_flagged_and_each_has_its_own_reasons(tmp_path):
    own = (replace(PLAIN, source="old"), replace(PLAIN, source="new", confidence=0.2, target="lynx"))
    entry = replace(PLAIN, models=own, disagreement=0.4, agreement=0.7, correlation=0.25, apart=0.3)
    assert flags(entry) == [
        ("disagreement", "models disagree in 40.0 % of the frames"),
        ("confidence", "new: unsure: 20.0 % on average"),
    ]
    assert flags(replace(entry, models=own[:1] * 2, disagreement=0.25)) == []
    _, data = written(tmp_path / "index.html", [entry, replace(PLAIN, source="other")])
    several, one = data["clips"]
    assert several["models"] == [["old", "tabby", 0.9, ["tabby", "7", "3"]], ["new", "lynx", 0.2, ["tabby", "7", "3"]]]
    assert several["compared"] == [0.4, 0.7, 0.25, 0.3]
    assert (one["models"], one["compared"]) == ([], [None] * 4)
    assert "disagreement" in [kind["name"] for kind in data["kinds"]]
    _, data = written(tmp_path / "index.html", [PLAIN])
    assert "disagreement" not in [kind["name"] for kind in data["kinds"]]


def test_a_reason_says_how_much():
    reasons = dict(flags(replace(PLAIN, confidence=0.123, switches=9, border=0.8)))
    assert reasons == {
        "confidence": "unsure: 12.3 % on average",
        "switches": "9 switches in 2.0 s",
        "border": "80.0 % of the heat at the border",
    }


def test_a_page_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "index.html"
    write_gallery(path, [PLAIN], "old")
    before = path.read_bytes()

    real = Path.open

    def fail(path: Path, mode: str = "r", *more: object, **others: object) -> object:
        if "w" in mode:
            raise OSError(28, "No space left on device")
        return real(path, mode, *more, **others)

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(VidcamError, match=r"index\.html: cannot be written: No space left on device"):
        write_gallery(path, [PLAIN], "new")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    with pytest.raises(VidcamError, match=r"nowhere.*does not exist"):
        write_gallery(tmp_path / "nowhere" / "index.html", [PLAIN], "new")


def luminance(colour: str) -> float:
    colour = colour.lstrip("#")
    colour = "".join(2 * c for c in colour) if len(colour) == 3 else colour
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_curves_stand_out_from_what_is_behind_them(scheme):
    style = html._asset("base.css")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--(\w+(?:-\w+)?): (#\w+)", block))
    for name in ("text", "soft", "bad", "accent"):
        for behind in ("page", "card", "stage"):
            assert contrast(colours[name], colours[behind]) >= 4.5, (name, behind)
    assert contrast(colours["alert"], colours["alert-page"]) >= 4.5
    for i in range(8):
        for behind in ("page", "card"):
            assert contrast(colours[f"k{i}"], colours[behind]) >= 3.0, (i, behind)
