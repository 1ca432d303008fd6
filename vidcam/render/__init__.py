"""From raw maps and frames to pictures: scaling, colours, blending, captions, views.

Maps are made in `vidcam.cam`; files are written in `vidcam.media`.
"""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy

if TYPE_CHECKING:
    from vidcam.render.blend import OPACITIES as OPACITIES
    from vidcam.render.blend import VIEWS as VIEWS
    from vidcam.render.blend import Opacity as Opacity
    from vidcam.render.blend import View as View
    from vidcam.render.blend import check_look as check_look
    from vidcam.render.blend import compose as compose
    from vidcam.render.blend import overlay as overlay
    from vidcam.render.caption import draw_caption as draw_caption
    from vidcam.render.colorbar import draw_colorbar as draw_colorbar
    from vidcam.render.colormap import colormap_names as colormap_names
    from vidcam.render.grid import cell_size as cell_size
    from vidcam.render.grid import scaled as scaled
    from vidcam.render.grid import tile as tile
    from vidcam.render.heat import heat_of as heat_of
    from vidcam.render.heat import peak_of as peak_of
    from vidcam.render.heat import spread as spread
    from vidcam.render.planes import Picture as Picture
    from vidcam.render.planes import compose_planes as compose_planes
    from vidcam.render.planes import suits_planes as suits_planes
    from vidcam.render.scale import DEFAULT_NORMALIZE as DEFAULT_NORMALIZE
    from vidcam.render.scale import DEFAULT_SMOOTH as DEFAULT_SMOOTH
    from vidcam.render.scale import History as History
    from vidcam.render.scale import check_smooth as check_smooth
    from vidcam.render.scale import clip_peak as clip_peak
    from vidcam.render.scale import parse_normalize as parse_normalize
    from vidcam.render.timeline import Timeline as Timeline

_EXPORTS = {
    "draw_caption": "vidcam.render.caption",
    "colormap_names": "vidcam.render.colormap",
    "heat_of": "vidcam.render.heat",
    "peak_of": "vidcam.render.heat",
    "spread": "vidcam.render.heat",
    "OPACITIES": "vidcam.render.blend",
    "VIEWS": "vidcam.render.blend",
    "Opacity": "vidcam.render.blend",
    "View": "vidcam.render.blend",
    "check_look": "vidcam.render.blend",
    "compose": "vidcam.render.blend",
    "overlay": "vidcam.render.blend",
    "draw_colorbar": "vidcam.render.colorbar",
    "cell_size": "vidcam.render.grid",
    "scaled": "vidcam.render.grid",
    "tile": "vidcam.render.grid",
    "Picture": "vidcam.render.planes",
    "compose_planes": "vidcam.render.planes",
    "suits_planes": "vidcam.render.planes",
    "Timeline": "vidcam.render.timeline",
    "DEFAULT_NORMALIZE": "vidcam.render.scale",
    "DEFAULT_SMOOTH": "vidcam.render.scale",
    "History": "vidcam.render.scale",
    "check_smooth": "vidcam.render.scale",
    "clip_peak": "vidcam.render.scale",
    "parse_normalize": "vidcam.render.scale",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
