"""FFmpeg's containers: opening them the same way for pictures and for sound, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidcam._lazy import module
from vidcam.errors import VidcamError

if TYPE_CHECKING:
    import av
else:
    av = module("av")

# What FFmpeg may take a file for. Playlists and scripts that open further files, text shown as video, and devices are
# not among them; a stranger's file stays one file.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpeg,mpegvideo,mpegts,mpegtsraw,m4v,h264,hevc,vvc,av1,obu,ivf,"
    "asf,ogg,mxf,gxf,nut,rm,wtv,dv,mjpeg,mjpeg_2000,vc1,vc1test,h261,h263,dirac,swf,film_cpk,roq,smk,bink,4xm,nsv,"
    "yuv4mpegpipe,vivo,r3d,cavsvideo,avs,gif,apng,jpegxl_anim,"
    "bmp_pipe,dds_pipe,dpx_pipe,exr_pipe,hdr_pipe,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,pam_pipe,pbm_pipe,pcx_pipe,"
    "pgm_pipe,ppm_pipe,png_pipe,psd_pipe,qoi_pipe,sgi_pipe,sunrast_pipe,tiff_pipe,webp_pipe,xbm_pipe,xpm_pipe,xwd_pipe"
)


def open_container(path: Path, max_pixels: int) -> Any:
    """Opens a file that FFmpeg reads.

    Args:
        path: the file.
        max_pixels: decoders refuse larger pictures.

    Returns:
        An `av.container.InputContainer`; the caller closes it.

    Raises:
        VidcamError: it is no media file.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS, "max_pixels": str(max_pixels)}
    try:
        # "file:" keeps a name such as "concat:a" or "http:b" a name.
        return av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        raise VidcamError(f"{path}: is no video, animation or image that can be read ({reason(error)})") from None


def audio_streams(container: Any) -> list[Any]:
    """Returns the audio streams of a container that can be copied or decoded; a damaged one has no rate or channel."""
    streams = [s for s in container.streams.audio if s.codec_context is not None]
    return [s for s in streams if s.codec_context.sample_rate > 0 and s.codec_context.layout.nb_channels > 0]


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turns what FFmpeg or the system raises while a file is written into one line about it."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise VidcamError(f"{path}: cannot be written: {reason(error)}") from None


def abandon(container: Any) -> None:
    """Closes an output whose contents nobody wants any more."""
    with suppress(av.error.FFmpegError, OSError, ValueError):
        container.close()


def reason(error: BaseException) -> str:
    """Returns FFmpeg's words for an error, without its number and the name of the file."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__).lower()


def seconds(pts: int | None, time_base: Fraction | None) -> Fraction | None:
    """Returns a time stamp in seconds."""
    return None if pts is None or time_base is None else Fraction(pts) * time_base
