from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrprop.data import videofile
from lrprop.data.videofile import VideoInfo, probe, read_chunks, read_video, write_video
from lrprop.errors import InputError
from tests.fuzzing import TIMES

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


def encode(
    path: Path,
    frames: np.ndarray,
    codec: str,
    pixels: str = "yuv420p",
    *,
    options: dict[str, str] | None = None,
    milliseconds: np.ndarray | None = None,
    format: str | None = None,
) -> Path:
    """Any codec, with B-frames where it has them: packets are then not in presentation order."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream.codec_context.options = options or quiet
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for step, frame in enumerate(frames):
            image = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if milliseconds is not None:
                image.pts, image.time_base = int(milliseconds[step]), Fraction(1, 1000)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def turn(path: Path, rows: tuple[int, ...] = (0, 1, 0, -1, 0, 0)) -> None:
    """Asks players to turn the picture, by 90 degrees clockwise as telephones do: the matrix in MP4's tkhd box."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", *(value << 16 for value in rows), 0, 0, 1 << 30)
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


# --- what files in the wild have --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "ts", "wmv"])
def test_a_varying_frame_rate(tmp_path: Path, suffix: str) -> None:
    milliseconds = np.cumsum([0, 40, 20, 300, 40, 90, 15, 210, 40, 33, 33, 120])
    path = encode(tmp_path / f"a.{suffix}", moving(12, 64, 64), CODECS[suffix], milliseconds=milliseconds)
    np.testing.assert_array_equal(brightness(read_video(path)), np.arange(12))
    info = probe(path)
    assert info.n == 12
    assert info.fps == pytest.approx(11 / 0.941, rel=0.01)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_missing_timestamps(tmp_path: Path, codec: str) -> None:
    """A bare stream, without a container, has none; FFmpeg goes by the content and not by the suffix."""
    path = encode(tmp_path / "a.mpg", moving(11, 64, 64), codec, format={"libx264": "h264", "libx265": "hevc"}[codec])
    with av.open(str(path)) as container:
        assert all(packet.pts is None for packet in container.demux(video=0))
    np.testing.assert_array_equal(brightness(read_video(path)), np.arange(11))
    assert probe(path).n == 11


# How each is decoded. VP9 keeps alpha in a second stream, which FFmpeg's own decoder leaves out.
DEPTHS = {
    "yuv420p10le": ("mp4", "libx264", "yuv420p10le"),
    "yuv422p10le": ("mkv", "libx265", "yuv422p10le"),
    "gray": ("mkv", "ffv1", "gray"),
    "gray16le": ("mkv", "ffv1", "gray16le"),
    "yuva420p": ("webm", "libvpx-vp9", "yuv420p"),
    "yuva444p10le": ("mov", "prores_ks", "yuva444p12le"),
    "rgba": ("mov", "png", "rgba"),
    "ya8": ("mov", "png", "ya8"),
}


@pytest.mark.parametrize("pixels", DEPTHS)
def test_10_bits_gray_and_alpha_become_rgb(tmp_path: Path, pixels: str) -> None:
    suffix, codec, decoded = DEPTHS[pixels]
    path = encode(tmp_path / f"a.{suffix}", moving(11, 64, 64), codec, pixels)
    with av.open(str(path)) as container:
        assert next(container.decode(container.streams.video[0])).format.name == decoded
    frames = read_video(path)
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(frames, moving(11, 64, 64), atol=3)
    assert probe(path).n == 11


# The first two rows of the matrix in MP4's tkhd box, and how the stored picture is turned for display.
TURNS = {
    90: ((0, 1, 0, -1, 0, 0), lambda frame: np.rot90(frame, -1)),
    180: ((-1, 0, 0, 0, -1, 0), lambda frame: np.rot90(frame, 2)),
    270: ((0, -1, 0, 1, 0, 0), lambda frame: np.rot90(frame)),
}


@pytest.mark.parametrize("degrees", TURNS)
def test_every_turn(tmp_path: Path, degrees: int) -> None:
    frames = np.zeros((3, 32, 48, 3), np.uint8)
    frames[:, :16, :24] = 255
    write_video(tmp_path / "a.mp4", frames, fps=10)
    matrix, upright = TURNS[degrees]
    turn(tmp_path / "a.mp4", matrix)
    np.testing.assert_allclose(read_video(tmp_path / "a.mp4")[0], upright(frames[0]), atol=20)


def test_one_frame(tmp_path: Path) -> None:
    for suffix in ("mp4", "mkv", "avi", "webm", "flv", "ts", "mpg"):
        path = encode(tmp_path / f"a.{suffix}", moving(1, 64, 64), CODECS[suffix])
        assert probe(path).n == len(read_video(path)) == 1


def test_a_size_that_changes_half_way(tmp_path: Path) -> None:
    """Two streams of other sizes, one behind the other."""
    for side in (32, 64):
        encode(tmp_path / f"{side}.mpg", moving(5, side, side), "mpeg2video", format="mpeg2video")
    (tmp_path / "a.mpg").write_bytes(b"".join((tmp_path / f"{side}.mpg").read_bytes() for side in (32, 64)))
    with pytest.raises(InputError, match=r"a\.mpg: the frame size changes within the video"):
        read_video(tmp_path / "a.mpg")


# --- seeking ----------------------------------------------------------------------------------------------------------

GROUPS = {
    "closed": ("libx264", {"g": "12", "bf": "3", "b-pyramid": "normal"}),
    "irregular": ("libx264", {"g": "12", "bf": "3"}),
    "hevc": ("libx265", {"x265-params": "log-level=none:keyint=12:min-keyint=12:open-gop=1"}),
    # Key frames that may need what is before them, so that nothing is sought.
    "open": ("libx264", {"g": "12", "bf": "3", "flags": "-cgop", "x264-params": "open-gop=1"}),
    "refresh": ("libx264", {"g": "12", "intra-refresh": "1", "bf": "0"}),
}


@pytest.fixture(scope="module", params=GROUPS)
def grouped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A video with a key frame in 12, and all its frames, decoded from the first to the last."""
    codec, options = GROUPS[request.param]
    path, n = tmp_path_factory.mktemp("seek") / "a.mp4", 60
    frames = np.stack([np.roll(noise(1, 32)[0] // 4 * 3 + step, step, axis=1) for step in range(n)])
    gaps = np.random.default_rng(0).integers(10, 400, n) if request.param == "irregular" else np.full(n, 40)
    encode(path, frames, codec, options=options, milliseconds=np.cumsum(gaps))
    return path, read_video(path)


@given(steps=st.lists(st.integers(0, 59), min_size=1, max_size=6), far=st.integers(0, 20))
@settings(max_examples=30 * TIMES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_seeking_gives_the_frames_of_decoding_from_the_start(
    grouped: tuple[Path, np.ndarray], steps: list[int], far: int
) -> None:
    path, frames = grouped
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(videofile, "_FAR", far)
        np.testing.assert_array_equal(read_video(path, steps), frames[steps])


def test_only_where_it_is_sure_and_far_is_anything_sought(
    grouped: tuple[Path, np.ndarray], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frames = grouped
    monkeypatch.setattr(videofile, "_FAR", 20)
    sought = videofile._sought(path, {3, 40, 41})
    if request.node.callspec.params["grouped"] in ("open", "refresh"):
        assert sought is None
        return
    assert sought is not None
    np.testing.assert_array_equal(np.stack([sought[step] for step in (3, 40, 41)]), frames[[3, 40, 41]])
    monkeypatch.setattr(videofile, "_sought", None)
    np.testing.assert_array_equal(read_video(path, [3, 19, 30, 49]), frames[[3, 19, 30, 49]])
    with pytest.raises(TypeError):
        read_video(path, [20])


@pytest.mark.parametrize("suffix", ["avi", "mkv", "ts"])
def test_where_timestamps_are_not_sure_nothing_is_sought(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videofile, "_FAR", 2)
    path = encode(tmp_path / f"a.{suffix}", moving(11), "libx264")
    assert videofile._sought(path, {9}) is None
    assert brightness(read_video(path, [9])) == [9]


def test_a_file_that_was_replaced_is_not_read_by_its_old_timestamps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videofile, "_FAR", 2)
    for n, fps in ((5, 10), (11, 25)):
        write_video(tmp_path / "a.mp4", moving(n), fps)
        assert brightness(read_video(tmp_path / "a.mp4", [n - 1])) == [n - 1]


# --- fuzz -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["mp4", "mkv", "avi", "ts"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A place for damaged files, and the bytes of a sound one."""
    path = encode(tmp_path_factory.mktemp("fuzz") / f"a.{request.param}", moving(8), "libx264")
    return path, path.read_bytes()


def read_or_refuse(path: Path, data: bytes) -> None:
    """A flipped bit in a picture may only change colours: no container has a checksum of its frames."""
    path.write_bytes(data)
    for read in (probe, read_video, lambda path: np.concatenate(list(read_chunks(path, 3)))):
        try:
            read(path)
            message = ""
        except InputError as error:
            message = str(error)
        assert not message or message.startswith(f"{path}: ")


@given(data=st.binary(max_size=300), share=st.floats(0, 1))
@settings(max_examples=25 * TIMES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes(sound: tuple[Path, bytes], data: bytes, share: float) -> None:
    path, content = sound
    read_or_refuse(path, content[: int(share * len(content))] + data)


@given(bits=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
@settings(max_examples=25 * TIMES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bits(sound: tuple[Path, bytes], bits: list[float]) -> None:
    path, content = sound
    data = bytearray(content)
    for bit in (int(8 * len(data) * place) for place in bits):
        data[bit // 8] ^= 1 << bit % 8
    read_or_refuse(path, bytes(data))
