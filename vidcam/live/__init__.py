"""The live job: camera -> newest frame -> newest map -> window, browser, recording.

Capture, explaining and display run side by side and hand on through slots that hold the newest thing only: nothing
waits, nothing queues, what comes too fast is counted and left out.
"""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy

if TYPE_CHECKING:
    from vidcam.live.session import LiveResult as LiveResult
    from vidcam.live.session import live as live

_EXPORTS = {"live": "vidcam.live.session", "LiveResult": "vidcam.live.session"}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
