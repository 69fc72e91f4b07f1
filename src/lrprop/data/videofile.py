"""Video files to arrays of frames and back: the only file that imports PyAV.

A file that cannot be decoded to its end is refused. Metrics compare frames with labels one by one, and a video that
silently lost its second half would still give plausible numbers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from lrprop.errors import InputError

SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov"}
    | {".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
"""Lower-case suffixes of the containers that are taken for videos."""

_H264_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".avi")
_REMEDY = "copy the file again, re-encode it (ffmpeg -i IN -c:v libx264 OUT.mp4), or take it out of the folder"


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video file without keeping its frames.

    Attributes:
        n: number of frames that decode, exactly `len(read_video(path))`.
        fps: mean frames per second.
        height: of an upright frame, in pixels.
        width: of an upright frame, in pixels.
    """

    n: int
    fps: float
    height: int
    width: int


def probe(path: str | Path) -> VideoInfo:
    """Count a video's frames exactly and read its size and rate.

    The frame count in a container's header is never trusted. Where every packet is surely one frame the packets are
    counted, which takes milliseconds; elsewhere the video is decoded.

    Args:
        path: any video file that FFmpeg reads.

    Returns:
        The number of frames, frames per second, and height and width in pixels.

    Raises:
        InputError: the file is missing, not a video, empty, damaged or cut short.
    """
    path = Path(path)
    with _opened(path) as (container, stream):
        fps = _frame_rate(path, stream)
        first = next(container.decode(stream), None)
        if first is None:
            raise InputError(f"{path}: the video has no frame; {_REMEDY}")
        height, width = _upright(first).shape[:2]
    n = _count_packets(path)
    if n is None:
        n = sum(1 for _ in _decode(path))
    return VideoInfo(n, fps, height, width)


def read_video(path: str | Path, steps: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Decode frames of a video, in presentation order and turned upright.

    Decoding starts at the first frame and stops after the largest of `steps`: seeking is faster on long videos, but
    lands on the wrong frame in files with irregular timestamps.

    Args:
        path: any video file that FFmpeg reads.
        steps: frame indices in [0, n), in any order, repeats allowed; None for all frames.

    Returns:
        (len(steps) or n, H, W, 3) uint8, RGB.

    Raises:
        InputError: the file is missing, not a video, empty, damaged or cut short, changes its size half-way, or has
            no frame at one of `steps`.
        ValueError: a step is negative, or `steps` is empty.
    """
    path = Path(path)
    if steps is None:
        frames = [_upright(frame) for frame in _decode(path)]
        if not frames:
            raise InputError(f"{path}: the video has no frame; {_REMEDY}")
        return _stack(path, frames)
    wanted = [int(step) for step in steps]
    if not wanted or min(wanted) < 0:
        raise ValueError(f"steps must be frame indices >= 0, at least one; got {wanted}")
    found = _pick(path, set(wanted))
    return _stack(path, [found[step] for step in wanted])


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write frames as H.264 (x264, yuv420p, crf 20), the same bytes for the same frames.

    H.264 in yuv420p needs even sides: an odd height or width grows by one pixel that repeats the last row or column.
    The file appears under its name only once it is complete. Missing parent folders are made.

    Args:
        path: where to; the suffix chooses the container: .mp4, .m4v, .mov, .mkv or .avi.
        frames: (H, W, 3) uint8 RGB arrays of one size, at least one; taken one at a time.
        fps: frames per second, > 0.

    Raises:
        ValueError: no frame, a frame of another shape or dtype, or fps not positive.
        InputError: the suffix is another, or the file cannot be written.
    """
    path = Path(path)
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be a positive number of frames per second; got {fps}")
    if path.suffix.lower() not in _H264_SUFFIXES:
        raise InputError(f"{path}: cannot be written as H.264; name it {', '.join(_H264_SUFFIXES)}")
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with av.open(str(part), "w", options=_container_options(path)) as container:
                _encode(container, frames, fps)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give a path that is writable") from error


def _container_options(path: Path) -> dict[str, str]:
    options = {"fflags": "+bitexact"}  # else Matroska draws a random id
    if path.suffix.lower() in (".mp4", ".m4v", ".mov"):
        options["movflags"] = "+faststart"  # the index in front: browsers play while they load
    return options


def _encode(container: OutputContainer, frames: Iterable[np.ndarray], fps: float) -> None:
    stream: VideoStream | None = None
    shape: tuple[int, ...] = ()
    for step, frame in enumerate(frames):
        if stream is None:
            shape = frame.shape
            stream = _h264_stream(container, shape, fps)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != shape:
            raise ValueError(f"frame {step}: expected uint8 of shape {shape}, got {frame.dtype} {frame.shape}")
        height, width = shape[:2]
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")))
    if stream is None:
        raise ValueError("frames is empty: a video needs at least one frame")
    container.mux(stream.encode(None))


def _h264_stream(container: OutputContainer, shape: tuple[int, ...], fps: float) -> VideoStream:
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise ValueError(f"frames must be (H, W, 3); got {shape}")
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    stream.height, stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1  # with more, rate control depends on their number
    stream.options = {"crf": "20", "mbtree": "0"}  # the macroblock tree of x264 varies from run to run on small frames
    return stream


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file's first video stream; every error of FFmpeg becomes one that names the file."""
    if not path.is_file():
        raise InputError(f"{path}: no such video file; check the path")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path}: the file has no video stream; {_REMEDY}")
            yield container, container.streams.video[0]
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a video ({error.strerror}); {_REMEDY}") from error


def _decode(path: Path) -> Iterator[av.VideoFrame]:
    """All frames in presentation order; raises at the first damaged one, and at the end if the file was cut short."""
    with _opened(path) as (container, stream):
        start, end = 0.0, 0.0  # FLV counts its length from zero, whatever its first timestamp
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise InputError(f"{path}: the video is damaged or cut short; {_REMEDY}")
            if packet.pts is not None:
                start = min(start, float(packet.pts * packet.time_base))
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise InputError(f"{path}: the video is damaged or cut short; {_REMEDY}")
                yield frame
        _check_complete(path, container, stream, end - start)


def _check_complete(path: Path, container: InputContainer, stream: VideoStream, seconds: float) -> None:
    """Refuse a file whose frames end well before the length that its header declares."""
    declared = _declared_seconds(container, stream)
    tolerance = 1.5 / _frame_rate(path, stream)  # writers disagree on whether the last frame's duration counts
    if declared is not None and seconds < declared - tolerance:
        raise InputError(
            f"{path}: the video is cut short, it has {seconds:.2f} s of the {declared:.2f} s that its header declares; "
            f"{_REMEDY}"
        )


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if "DURATION" in stream.metadata:  # Matroska and WebM, "00:00:04.000000000"
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    if len(container.streams) == 1 and container.duration is not None:  # else it may be the sound's length
        return container.duration / av.time_base
    return None


def _count_packets(path: Path) -> int | None:
    """The number of packets where each is surely one frame, else None.

    That holds for H.264 and HEVC in MP4 and MOV, one sample a frame, unless the file was trimmed without re-encoding:
    then the decoder drops the samples marked for discarding and the pictures that lead the first key frame.
    """
    with _opened(path) as (container, stream):
        if "mp4" not in container.format.name or stream.codec_context.name not in ("h264", "hevc"):
            return None
        packets = [packet for packet in container.demux(stream) if packet.size]
        times = [packet.pts for packet in packets if packet.pts is not None]
        if not len(times) == len(packets) == stream.frames > 0:
            return None
        if any(packet.is_corrupt or packet.is_discard for packet in packets):
            return None
        return len(packets) if packets[0].is_keyframe and times[0] == min(times) else None


def _frame_rate(path: Path, stream: VideoStream) -> float:
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise InputError(f"{path}: the video states no frame rate; {_REMEDY}")
    return float(rate)


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB as a player shows it: telephones store a turned picture and the angle to turn it back."""
    return np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))


def _pick(path: Path, wanted: set[int]) -> dict[int, np.ndarray]:
    last = max(wanted)
    found: dict[int, np.ndarray] = {}
    n = 0
    for frame in _decode(path):
        if n in wanted:
            found[n] = _upright(frame)
        n += 1
        if n > last:
            return found
    raise InputError(f"{path}: frame {last} was asked for, but the video has {n} frames; index the folder again")


def _stack(path: Path, frames: list[np.ndarray]) -> np.ndarray:
    sizes = {frame.shape for frame in frames}
    if len(sizes) > 1:
        raise InputError(f"{path}: the frame size changes within the video ({sorted(sizes)}); {_REMEDY}")
    return np.stack(frames)
