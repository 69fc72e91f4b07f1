"""A video to another place: as it is, or encoded."""

from __future__ import annotations

import shutil
from itertools import chain
from pathlib import Path

from lrprop.data.frames import frame_files
from lrprop.data.video import Video
from lrprop.data.videofile import write_video

_CHUNK = 64  # frames in memory


def copy_video(video: Video, path: Path, encode: bool = False) -> None:
    """Copy the file or the frames of a video byte for byte, or encode them.

    Args:
        video: what is copied.
        path: where to, without suffix; missing parent folders are made.
        encode: write H.264 in MP4 as `write_video` does, and not the same bytes.

    Raises:
        UnreadableVideoError: to encode, as `Video.chunks`.
        OSError: it cannot be copied.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if encode:
        write_video(with_suffix(path, ".mp4"), chain.from_iterable(video.chunks(_CHUNK)), video.fps)
    elif video.path.is_dir():
        path.mkdir()
        for file in frame_files(video.path):
            shutil.copyfile(file, path / file.name)
    else:
        shutil.copyfile(video.path, with_suffix(path, video.path.suffix.lower()))


def with_suffix(path: Path, suffix: str) -> Path:
    """The path with a suffix behind its whole name, in which a dot starts no suffix: "pour.2" becomes "pour.2.mp4"."""
    return path.with_name(path.name + suffix)
