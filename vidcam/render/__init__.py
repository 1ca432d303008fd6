"""From raw maps and frames to pictures: scaling, colours, blending, captions, views.

Maps are made in `vidcam.cam`; files are written in `vidcam.media`.
"""

from typing import TYPE_CHECKING

from vidcam._lazy import lazy

if TYPE_CHECKING:
    from vidcam.render.blend import compose as compose
    from vidcam.render.blend import overlay as overlay
    from vidcam.render.caption import draw_caption as draw_caption
    from vidcam.render.colorbar import draw_colorbar as draw_colorbar
    from vidcam.render.colormap import colormap_names as colormap_names
    from vidcam.render.grid import cell_size as cell_size
    from vidcam.render.grid import moved as moved
    from vidcam.render.grid import scaled as scaled
    from vidcam.render.grid import tile as tile
    from vidcam.render.grid import tile_planes as tile_planes
    from vidcam.render.heat import heat_of as heat_of
    from vidcam.render.heat import lay_over as lay_over
    from vidcam.render.heat import peak_of as peak_of
    from vidcam.render.look import Look as Look
    from vidcam.render.look import Opacity as Opacity
    from vidcam.render.look import View as View
    from vidcam.render.look import parse_normalize as parse_normalize
    from vidcam.render.outline import draw_outline as draw_outline
    from vidcam.render.planes import Picture as Picture
    from vidcam.render.planes import compose_planes as compose_planes
    from vidcam.render.planes import shape_of as shape_of
    from vidcam.render.planes import shrunk_to_rgb as shrunk_to_rgb
    from vidcam.render.planes import suits_planes as suits_planes
    from vidcam.render.scale import History as History
    from vidcam.render.scale import clip_peak as clip_peak
    from vidcam.render.scale import histories as histories
    from vidcam.render.timeline import Timeline as Timeline

_EXPORTS = {
    "draw_caption": "vidcam.render.caption",
    "colormap_names": "vidcam.render.colormap",
    "heat_of": "vidcam.render.heat",
    "peak_of": "vidcam.render.heat",
    "lay_over": "vidcam.render.heat",
    "Opacity": "vidcam.render.look",
    "View": "vidcam.render.look",
    "compose": "vidcam.render.blend",
    "overlay": "vidcam.render.blend",
    "draw_outline": "vidcam.render.outline",
    "draw_colorbar": "vidcam.render.colorbar",
    "cell_size": "vidcam.render.grid",
    "moved": "vidcam.render.grid",
    "scaled": "vidcam.render.grid",
    "tile": "vidcam.render.grid",
    "tile_planes": "vidcam.render.grid",
    "Look": "vidcam.render.look",
    "Picture": "vidcam.render.planes",
    "compose_planes": "vidcam.render.planes",
    "shape_of": "vidcam.render.planes",
    "shrunk_to_rgb": "vidcam.render.planes",
    "suits_planes": "vidcam.render.planes",
    "Timeline": "vidcam.render.timeline",
    "History": "vidcam.render.scale",
    "clip_peak": "vidcam.render.scale",
    "histories": "vidcam.render.scale",
    "parse_normalize": "vidcam.render.look",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = lazy(__name__, _EXPORTS)
