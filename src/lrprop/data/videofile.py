"""Video files to arrays of frames and back: the only file that imports PyAV.

A file that cannot be decoded to its end is refused. Metrics compare frames with labels one by one, and a video that
silently lost its second half would still give plausible numbers.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from lrprop.errors import InputError

SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov"}
    | {".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
"""Lower-case suffixes of the containers that are taken for videos."""

_FAR = 250  # frames, the usual distance of key frames: it takes no longer to decode them than to prepare a seek
_H264_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".avi")
_REMEDY = "copy the file again, re-encode it (ffmpeg -i IN -c:v libx264 OUT.mp4), or take it out of the folder"


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video file without keeping its frames.

    Attributes:
        n: number of frames that decode, exactly `len(read_video(path))`.
        fps: mean frames per second, by the timestamps where the frame rate varies.
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
        stated, time_base = _frame_rate(path, stream), float(stream.time_base or 0)
        first = next(container.decode(stream), None)
        if first is None:
            raise InputError(f"{path}: the video has no frame; {_REMEDY}")
        height, width = _upright(first, VideoReformatter()).shape[:2]
    starts = _packet_starts(path)
    times = [frame.time for frame in _decode(path)] if starts is None else list(starts * time_base)
    return VideoInfo(len(times), _mean_rate(times, stated), height, width)


def read_video(path: str | Path, steps: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Decode frames of a video, in presentation order and turned upright.

    Decoding stops after the largest of `steps`. It starts at the first frame, or at the key frame before a far step
    where timestamps tell every frame beyond doubt; the frames are the same.

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
        return np.stack(list(_upright_frames(path)))
    wanted = [int(step) for step in steps]
    if not wanted or min(wanted) < 0:
        raise ValueError(f"steps must be frame indices >= 0, at least one; got {wanted}")
    far = np.diff([0, *sorted(wanted)]).max() >= _FAR
    found = (_sought(path, set(wanted)) if far else None) or _pick(path, set(wanted))
    _check_one_size(path, {frame.shape for frame in found.values()})
    return np.stack([found[step] for step in wanted])


def read_chunks(path: str | Path, size: int) -> Iterator[np.ndarray]:
    """Decode a video from its first frame to its last, holding one chunk of it in memory at a time.

    Args:
        path: any video file that FFmpeg reads.
        size: frames a chunk, >= 1; the last chunk may have fewer.

    Yields:
        (size, H, W, 3) uint8, RGB; joined, the chunks are `read_video(path)`.

    Raises:
        InputError: as `read_video`, when the iterator comes to the damaged place; a file that was cut short is
            recognised at its end, after its last chunk.
        ValueError: `size` is less than 1.
    """
    if size < 1:
        raise ValueError(f"size must be a number of frames >= 1; got {size}")
    return _in_chunks(_upright_frames(Path(path)), size)


def _in_chunks(frames: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    while chunk := list(islice(frames, size)):
        yield np.stack(chunk)


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
        with av.open(str(path), metadata_errors="replace") as container:  # many a title is not UTF-8
            if not container.streams.video:
                raise InputError(f"{path}: the file has no video stream; {_REMEDY}")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise InputError(f"{path}: the video is of an unknown format; {_REMEDY}")
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a video ({error.strerror}); {_REMEDY}") from error


def _decode(path: Path) -> Iterator[av.VideoFrame]:
    """All frames in presentation order; raises at the first damaged one, and at the end if the file was cut short."""
    with _opened(path) as (container, stream):
        start, end = 0.0, 0.0  # FLV counts its length from zero, whatever its first timestamp
        n = 0
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise InputError(f"{path}: the video is damaged or cut short; {_REMEDY}")
            if packet.pts is not None:
                start = min(start, float(packet.pts * packet.time_base))
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise InputError(f"{path}: the video is damaged or cut short; {_REMEDY}")
                n += 1
                yield frame
        _check_complete(path, container, stream, end - start, n)


def _check_complete(path: Path, container: InputContainer, stream: VideoStream, seconds: float, n: int) -> None:
    """Refuse a file whose frames end well before the length that its header declares."""
    declared = _declared_seconds(container, stream)
    # Writers disagree on whether the last frame's duration counts; where the rate varies, its mean is the better guess.
    tolerance = 1.5 * max(1 / _frame_rate(path, stream), seconds / max(n, 1))
    if declared is not None and seconds < declared - tolerance:
        raise InputError(
            f"{path}: the video is cut short, it has {seconds:.2f} s of the {declared:.2f} s that its header declares; "
            f"{_REMEDY}"
        )


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Matroska and WebM, "00:00:04.000000000"
    if told := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, told.groups())
        return 3600 * hours + 60 * minutes + seconds
    if len(container.streams) == 1 and container.duration is not None:  # else it may be the sound's length
        return container.duration / av.time_base
    return None


def _packet_starts(path: Path) -> np.ndarray | None:
    """The timestamp of each frame in order, read from the packets; None where a packet may not be just one frame.

    It is one for H.264 and HEVC in MP4 and MOV, unless the file was trimmed without re-encoding: then the decoder drops
    the samples marked for discarding and the pictures that lead the first key frame.
    """
    if not path.is_file():
        return None
    stat = path.stat()
    return _known_starts(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)  # of a 30-minute video they take half a megabyte
def _known_starts(path: Path, modified: int, size: int) -> np.ndarray | None:
    with _opened(path) as (container, stream):
        if "mp4" not in container.format.name or stream.codec_context.name not in ("h264", "hevc"):
            return None
        starts: list[int] = []
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None or packet.is_corrupt or packet.is_discard or not (starts or packet.is_keyframe):
                return None
            starts.append(packet.pts)
        is_sure = len(set(starts)) == len(starts) == stream.frames > 0 and starts[0] == min(starts)
        return np.sort(starts) if is_sure else None


def _frame_rate(path: Path, stream: VideoStream) -> float:
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise InputError(f"{path}: the video states no frame rate; {_REMEDY}")
    return float(rate)


def _mean_rate(times: Sequence[float | None], stated: float) -> float:
    """Frames per second by the timestamps, but the stated rate where they differ by rounding or are not in order."""
    known = [time for time in times if time is not None]
    if len(known) < max(len(times), 2) or min(np.diff(known)) <= 0:
        return stated
    measured = (len(known) - 1) / (known[-1] - known[0])
    return stated if math.isclose(measured, stated, rel_tol=0.05) else measured


def _upright(frame: av.VideoFrame, reformatter: VideoReformatter) -> np.ndarray:
    """RGB as a player shows it: telephones store a turned picture and the angle to turn it back.

    One reformatter for all frames of a video: making it takes longer than its work on a frame.
    """
    return np.rot90(reformatter.reformat(frame, format="rgb24").to_ndarray(), round(frame.rotation / 90))


def _upright_frames(path: Path) -> Iterator[np.ndarray]:
    """All frames (H, W, 3), at least one, of one size."""
    first: np.ndarray | None = None
    reformatter = VideoReformatter()
    for decoded in _decode(path):
        frame = _upright(decoded, reformatter)
        first = frame if first is None else first
        _check_one_size(path, {first.shape, frame.shape})
        yield frame
    if first is None:
        raise InputError(f"{path}: the video has no frame; {_REMEDY}")


def _pick(path: Path, wanted: set[int]) -> dict[int, np.ndarray]:
    last, reformatter = max(wanted), VideoReformatter()
    found: dict[int, np.ndarray] = {}
    n = 0
    for frame in _decode(path):
        if n in wanted:
            found[n] = _upright(frame, reformatter)
        n += 1
        if n > last:
            return found
    raise InputError(f"{path}: frame {last} was asked for, but the video has {n} frames; index the folder again")


def _sought(path: Path, wanted: set[int]) -> dict[int, np.ndarray] | None:
    """As `_pick`, by seeking to the key frame before each group of steps; None unless every frame is surely right."""
    starts = _packet_starts(path)
    if starts is None or max(wanted) >= len(starts):
        return None
    steps = np.array(sorted(wanted))
    found: dict[int, np.ndarray] = {}
    with _opened(path) as (container, stream):
        for group in np.split(steps, np.flatnonzero(np.diff(steps) >= _FAR) + 1):
            reformatter = VideoReformatter()
            frames = _decode_from(container, stream, starts[group[0] : group[-1] + 1])
            for step, frame in enumerate(frames, start=group[0]):
                if step in wanted:
                    found[step] = _upright(frame, reformatter)
    return found if len(found) == len(wanted) else None


def _decode_from(container: InputContainer, stream: VideoStream, starts: np.ndarray) -> Iterator[av.VideoFrame]:
    """The frames at the given timestamps, ending early at the first that does not come sound and in its turn."""
    container.seek(int(starts[0]), stream=stream)
    packets = container.demux(stream)
    key = next(packets)
    if key.pts is None or key.pts > starts[0] or not _is_fresh_start(key, stream.codec_context.name):
        return
    n = 0
    for packet in chain([key], packets):
        for frame in packet.decode():
            if n == 0 and frame.pts is not None and frame.pts < starts[0]:
                continue
            if frame.is_corrupt or packet.is_corrupt or frame.pts != starts[n]:
                return
            n += 1
            yield frame
            if n == len(starts):
                return


def _is_fresh_start(packet: av.Packet[VideoStream], codec: str) -> bool:
    """Whether no frame shown after this one needs what was before it, by the types of the packet's NAL units.

    The key frames that a container names are not enough: with intra refresh they are whole only some frames later.
    """
    data, types, at = bytes(packet), set(), 0
    while at + 4 < len(data):
        types.add(data[at + 4] & 31 if codec == "h264" else data[at + 4] >> 1 & 63)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    fresh = {5} if codec == "h264" else set(range(16, 22))  # IDR; BLA, IDR and CRA
    return at == len(data) and bool(types & fresh)


def _check_one_size(path: Path, shapes: set[tuple[int, ...]]) -> None:
    if len(shapes) > 1:
        raise InputError(f"{path}: the frame size changes within the video ({sorted(shapes)}); {_REMEDY}")
