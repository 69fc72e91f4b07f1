from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from lrprop.data.videofile import VideoInfo, probe, read_video, write_video
from lrprop.errors import InputError

CODECS = {  # every container with a codec that people use in it
    "mp4": "libx264", "mov": "libx265", "mkv": "libx264", "avi": "mpeg4", "webm": "libvpx", "flv": "libx264",
    "ts": "libx264", "mpg": "mpeg2video", "wmv": "wmv2",
}  # fmt: skip


def moving(n: int, height: int = 32, width: int = 48) -> np.ndarray:
    """Frames whose brightness grows by 10 a frame, so that each tells its step."""
    steps = np.arange(n, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(20 + 10 * steps, (n, height, width, 3)).astype(np.uint8)


def brightness(frames: np.ndarray) -> np.ndarray:
    steps: np.ndarray = np.rint((frames.mean((1, 2, 3)) - 20) / 10)
    return steps


def noise(n: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def encode(path: Path, frames: np.ndarray, codec: str) -> Path:
    """Any codec, with B-frames where it has them: packets are then not in presentation order."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def turn(path: Path) -> None:
    """Asks players to turn the picture by 90 degrees clockwise, as telephones do: the matrix in MP4's tkhd box."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def test_frames_come_back(tmp_path: Path) -> None:
    frames = moving(12)
    write_video(tmp_path / "a.mp4", frames, fps=12.5)
    read = read_video(tmp_path / "a.mp4")
    assert read.shape == frames.shape
    assert read.dtype == np.uint8
    np.testing.assert_allclose(read, frames, atol=3)
    assert probe(tmp_path / "a.mp4") == VideoInfo(n=12, fps=12.5, height=32, width=48)


def test_steps_choose_frames_in_the_order_asked(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving(10), fps=10)
    everything = read_video(tmp_path / "a.mp4")
    chosen = read_video(tmp_path / "a.mp4", np.array([7, 0, 7, 3]))
    np.testing.assert_array_equal(chosen, everything[[7, 0, 7, 3]])


@pytest.mark.parametrize("suffix", CODECS)
def test_every_container_is_read_in_presentation_order(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"a.{suffix}", moving(11, 64, 64), CODECS[suffix])
    frames = read_video(path)
    np.testing.assert_array_equal(brightness(frames), np.arange(11))
    assert probe(path).n == 11


def test_the_count_in_the_header_is_not_believed(tmp_path: Path) -> None:
    """An edit list hides the first frames: MP4 declares all samples, and decoding gives fewer."""
    whole = encode(tmp_path / "whole.mp4", moving(20), "libx264")
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "trimmed.mp4"), "w", options={"avoid_negative_ts": "disabled"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        ticks = round(5 / 25 / float(source.streams.video[0].time_base or 0))
        for packet in source.demux(video=0):
            if packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, stream
                target.mux(packet)
    with av.open(str(tmp_path / "trimmed.mp4")) as container:
        assert container.streams.video[0].frames == 20
    frames = read_video(tmp_path / "trimmed.mp4")
    np.testing.assert_array_equal(brightness(frames), np.arange(5, 20))
    assert probe(tmp_path / "trimmed.mp4").n == 15


def test_turned_videos_are_read_upright(tmp_path: Path) -> None:
    frames = np.zeros((3, 32, 48, 3), np.uint8)
    frames[:, :16, :24] = 255  # top left, which is top right after a turn clockwise
    write_video(tmp_path / "a.mp4", frames, fps=10)
    turn(tmp_path / "a.mp4")
    info, read = probe(tmp_path / "a.mp4"), read_video(tmp_path / "a.mp4")
    assert (info.height, info.width) == read.shape[1:3] == (48, 32)
    assert read[0, 12, 24].min() > 200
    assert read[0, 12, 8].max() < 50


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".avi"])
def test_writing_is_deterministic_and_leaves_nothing_else(tmp_path: Path, suffix: str) -> None:
    for number in range(8):  # x264's macroblock tree gives other bytes about once in five of these
        write_video(tmp_path / "new" / f"{number}{suffix}", noise(5, side=96), fps=29.97)
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == [f"{number}{suffix}" for number in range(8)]
    assert len({file.read_bytes() for file in files}) == 1
    assert probe(files[0]).fps == pytest.approx(29.97)


def test_odd_sides_grow_by_a_repeated_row_and_column(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving(3, 31, 47), fps=10)
    frames = read_video(tmp_path / "a.mp4")
    assert frames.shape == (3, 32, 48, 3)
    np.testing.assert_allclose(frames[:, -1, -1], frames[:, -2, -2], atol=3)


def test_frames_are_taken_one_at_a_time(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", (frame for frame in moving(4)), fps=10)
    assert probe(tmp_path / "a.mp4").n == 4


@pytest.mark.parametrize(
    ("frames", "fps", "problem"),
    [
        ([], 10, "at least one frame"),
        (moving(2).astype(np.float32), 10, "uint8"),
        (moving(2)[..., 0], 10, r"\(H, W, 3\)"),
        ([moving(1)[0], moving(1, 16, 16)[0]], 10, "frame 1"),
        (moving(2), 0, "fps"),
        (moving(2), float("nan"), "fps"),
    ],
)
def test_what_cannot_be_written_leaves_no_file(tmp_path: Path, frames: np.ndarray, fps: float, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        write_video(tmp_path / "a.mp4", frames, fps)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.txt", "a", "a.webm"])
def test_a_container_without_h264_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: cannot be written as H\.264; name it \.mp4"):
        write_video(tmp_path / name, moving(2), fps=10)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "a.mp4").mkdir()
    for path in (tmp_path / "file" / "a.mp4", tmp_path / "a.mp4"):
        with pytest.raises(InputError, match=r"a\.mp4: cannot be written"):
            write_video(path, moving(2), fps=10)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("read", [probe, read_video])
@pytest.mark.parametrize("content", [b"", b"no video" * 100])
def test_no_video(tmp_path: Path, content: bytes, read: object) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4: cannot be read as a video .*re-encode"):
        read(tmp_path / "a.mp4")  # type: ignore[operator]


@pytest.mark.parametrize("read", [probe, read_video])
def test_missing_file(tmp_path: Path, read: object) -> None:
    with pytest.raises(InputError, match=r"a\.mp4: no such video file"):
        read(tmp_path / "a.mp4")  # type: ignore[operator]


@pytest.mark.parametrize("read", [probe, read_video])
def test_zero_frames(tmp_path: Path, read: object) -> None:
    """The header and the codec of a video, and no picture."""
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()
    with pytest.raises(InputError, match=r"a\.avi: the video (has no frame|states no frame rate)"):
        read(tmp_path / "a.avi")  # type: ignore[operator]


def test_sound_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"a\.mp4: the file has no video stream"):
        probe(tmp_path / "a.mp4")


# A transport stream declares no length at all: where it is cut between two frames nothing can show it.
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "webm", "flv"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = cut(encode(tmp_path / f"a.{suffix}", noise(30), CODECS[suffix]), share)
    for read in (probe, read_video):
        with pytest.raises(InputError, match=rf"a\.{suffix}: .*copy the file again"):
            read(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file_with_its_index_in_front_is_refused(tmp_path: Path, share: float) -> None:
    write_video(tmp_path / "a.mp4", noise(30), fps=25)
    cut(tmp_path / "a.mp4", share)
    for read in (probe, read_video):
        with pytest.raises(InputError, match=r"a\.mp4: .*copy the file again"):
            read(tmp_path / "a.mp4")


def test_a_cut_between_two_frames_is_refused(tmp_path: Path) -> None:
    """No packet is damaged, there are only too few."""
    write_video(tmp_path / "a.mp4", noise(30), fps=25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        ends = sorted((packet.pos or 0) + packet.size for packet in container.demux(video=0) if packet.size)
    (tmp_path / "a.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[: ends[14]])
    for read in (probe, read_video):
        with pytest.raises(InputError, match=r"a\.mp4: .*copy the file again"):
            read(tmp_path / "a.mp4")


def test_steps_out_of_range(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving(4), fps=10)
    with pytest.raises(InputError, match=r"a\.mp4: frame 4 was asked for, but the video has 4 frames"):
        read_video(tmp_path / "a.mp4", [0, 4])
    for steps in ([-1], []):
        with pytest.raises(ValueError, match="steps"):
            read_video(tmp_path / "a.mp4", steps)


def test_real_videos_are_counted_as_they_decode(shared: Path) -> None:
    paths = sorted((shared / "video" / "golf_swing").glob("*.mp4"))
    if not paths:
        pytest.skip(f"no golf swings at {shared / 'video' / 'golf_swing'}")
    for path in paths[-2:]:
        info = probe(path)
        assert read_video(path).shape == (info.n, info.height, info.width, 3)
