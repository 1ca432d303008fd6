"""Many clips: planned, worked on by processes of this machine or of a cluster, recorded so that a run can go on."""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy

if TYPE_CHECKING:
    from vidcam.batch.many_clips import Batch as Batch
    from vidcam.batch.many_clips import index_batch as index_batch
    from vidcam.batch.many_clips import run_batch as run_batch

_EXPORTS = dict.fromkeys(("Batch", "index_batch", "run_batch"), "vidcam.batch.many_clips")
__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
