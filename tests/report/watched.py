"""A browser that notes every request that a page makes, for pages that must make none."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.live.browser import Browser, Page


class Watched(Browser):
    """`open_file` opens a page from disk; `requests` are the URLs it asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []

    def _read(self, end: float) -> dict[str, Any]:
        message = super()._read(end)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    def open_file(self, path: Path, width: int = 1280, height: int = 800, scheme: str = "light") -> Page:
        self.errors.clear()
        self.requests.clear()
        page = self.open("about:blank", width, height)
        page.call("Network.enable")
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.call("Page.navigate", url=path.as_uri())
        page.wait_for(f"location.href === {path.as_uri()!r} && document.readyState === 'complete'")
        return page

    def left_disk(self) -> list[str]:
        """Returns the requests that are not for files, and what the page complained of."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] + self.errors


def move(page: Page, selector: str) -> None:
    """Moves the mouse to the middle of an element."""
    box = page.evaluate(
        f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
        f"return [b.x + b.width / 2, b.y + b.height / 2]; }})(document.querySelector({selector!r}))"
    )
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])


def press(page: Page, key: str, text: str = "") -> None:
    """Presses a key."""
    codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowRight": 39, "End": 35, "Home": 36}
    code = codes.get(key) or ord(key.upper())
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
            text=text if kind == "keyDown" else "",
        )  # fmt: skip


def keep(name: str, page: Page) -> None:
    """Leaves a screenshot in the folder that VIDCAM_SCREENSHOTS names."""
    if folder := os.environ.get("VIDCAM_SCREENSHOTS"):
        Image.fromarray(page.screenshot()).save(Path(folder) / name)


def drawn(page: Page, selector: str) -> np.ndarray:
    """Returns the picture that a video shows now, RGB uint8."""
    data = page.evaluate(
        f"(v => {{ const c = document.createElement('canvas'); c.width = v.videoWidth; c.height = v.videoHeight;"
        f"c.getContext('2d').drawImage(v, 0, 0); return c.toDataURL(); }})(document.querySelector({selector!r}))"
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"))
