"""Pages, tables and plots of what vidcam measured. Nothing here computes a figure."""

from __future__ import annotations

import importlib.util

from vidcam.errors import VidcamError


def require_libraries() -> None:
    """Raises a VidcamError where scikit-learn or matplotlib is missing, before any work is done for nothing."""
    missing = [name for name in ("sklearn", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join({"sklearn": "scikit-learn"}.get(name, name) for name in missing)
        raise VidcamError(f"{names} missing: training and evaluation need pip install 'vidcam[train]'")
