from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lrprop.data.frames import FPS, decode_frame, frame_files, frame_folders, frame_size, probe_frames, read_frames
from lrprop.data.videofile import VideoInfo
from lrprop.errors import InputError
from tests.fuzzing import TIMES


def image(brightness: int = 90, height: int = 16, width: int = 24) -> np.ndarray:
    return np.full((height, width, 3), brightness, np.uint8)


def jpeg(frame: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "jpeg", quality=95)
    return stream.getvalue()


NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
NOISE_JPEG = jpeg(NOISE)


def folder_of(folder: Path, *names: str) -> Path:
    """Frames whose brightness grows by 10 in the order of the names."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        Image.fromarray(image(20 + 10 * k)).save(folder / name)
    return folder


def brightness(frames: np.ndarray) -> list[int]:
    return [round((value - 20) / 10) for value in frames.mean((1, 2, 3))]


def test_frames_come_in_natural_order(tmp_path: Path) -> None:
    names = ["frame2.png", "frame10.jpg", "Frame11.JPEG", "frame100.jpg"]
    folder_of(tmp_path, *names)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "._frame1.jpg").touch()
    assert [file.name for file in frame_files(tmp_path)] == names
    frames = read_frames(str(tmp_path))
    assert frames.shape == (4, 16, 24, 3)
    assert frames.dtype == np.uint8
    assert brightness(frames) == [0, 1, 2, 3]
    assert probe_frames(tmp_path) == VideoInfo(4, FPS, 16, 24)


def test_steps_in_any_order(tmp_path: Path) -> None:
    folder_of(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    assert brightness(read_frames(tmp_path, [2, 0, 2])) == [2, 0, 2]
    assert brightness(read_frames(tmp_path, np.array([1]))) == [1]
    (tmp_path / "1.jpg").write_bytes(b"never read")
    assert brightness(read_frames(tmp_path, [1])) == [1]


def test_steps_out_of_range(tmp_path: Path) -> None:
    folder_of(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(InputError, match=r"frame 2 was asked for, but the folder has 2 frames"):
        read_frames(tmp_path, [0, 2])
    for steps in ([-1], []):
        with pytest.raises(ValueError, match="steps"):
            read_frames(tmp_path, steps)


def test_colours_are_exact(tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_frames(tmp_path)[0], NOISE)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_every_mode_of_8_bits_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.fromarray(image(255)).convert(mode).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_frames(tmp_path), image(255)[None])


def test_a_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(image(200)).convert("CMYK").save(tmp_path / "1.jpg")
    np.testing.assert_allclose(read_frames(tmp_path), image(200)[None], atol=3)


def test_16_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 40_000, np.uint16)).save(tmp_path / "1.png")
    for read in (probe_frames, read_frames):
        with pytest.raises(InputError, match=r"1\.png: has more than 8 bits a channel \(I;16\); save it with 8"):
            read(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(NOISE).save(tmp_path / "1.png", exif=exif)
    upright = {1: NOISE, 2: NOISE[:, ::-1], 3: NOISE[::-1, ::-1], 4: NOISE[::-1]}
    turned = NOISE.swapaxes(0, 1)
    upright |= {5: turned, 6: turned[:, ::-1], 7: turned[::-1, ::-1], 8: turned[::-1]}
    np.testing.assert_array_equal(read_frames(tmp_path)[0], upright[orientation])
    assert probe_frames(tmp_path) == VideoInfo(1, FPS, *upright[orientation].shape[:2])


def test_mixed_sizes_are_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    Image.fromarray(image(90, 16, 25)).save(tmp_path / "2.jpg")
    for read in (probe_frames, read_frames):
        with pytest.raises(InputError, match=r"2\.jpg: is 16x25 pixels, but 1\.jpg is 16x24; give all frames"):
            read(tmp_path)


def test_no_frame(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    for read in (probe_frames, read_frames):
        with pytest.raises(InputError, match=r"has no frame; put images \(\.jpeg, \.jpg, \.png\)"):
            read(tmp_path)
        for missing in ("a.txt", "none"):
            with pytest.raises(InputError, match=rf"{missing}: cannot be listed .*give a folder of frames"):
                read(tmp_path / missing)


@pytest.mark.parametrize("content", [b"", b"no image at all", NOISE_JPEG[:10], NOISE_JPEG[:300]])
def test_a_damaged_image_is_named(tmp_path: Path, content: bytes) -> None:
    folder_of(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "2.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"2\.jpg: cannot be read as an image .*copy the image again"):
        read_frames(tmp_path)


def test_an_image_that_claims_to_be_huge(tmp_path: Path) -> None:
    header = NOISE_JPEG.index(b"\xff\xc0") + 5
    huge = NOISE_JPEG[:header] + b"\xff\xff\xff\xff" + NOISE_JPEG[header + 4 :]
    (tmp_path / "1.jpg").write_bytes(huge)
    for read in (probe_frames, read_frames):
        with pytest.raises(InputError, match=r"1\.jpg: cannot be read as an image"):
            read(tmp_path)


def test_bytes_go_by_the_name_that_is_given() -> None:
    assert frame_size(NOISE_JPEG) == (24, 32)
    assert decode_frame(NOISE_JPEG).shape == (24, 32, 3)
    for read in (frame_size, decode_frame):
        with pytest.raises(InputError, match=r"^record 3: cannot be read as an image"):
            read(b"?", "record 3")


def test_folders_of_frames_are_found(tmp_path: Path) -> None:
    for name in ("train/a", "train/b.c", "val/deep/d", ".hidden/e", "with/below/f", "beside"):
        folder_of(tmp_path / name, "1.jpg")
    folder_of(tmp_path, "cover.jpg")
    folder_of(tmp_path / "train", "cover.jpg")
    (tmp_path / "beside" / "g.MP4").touch()  # the image is a still of the video
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "train")
    found = sorted(folder.relative_to(tmp_path).as_posix() for folder in frame_folders(tmp_path))
    assert found == ["train/a", "train/b.c", "val/deep/d", "with/below/f"]


def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", "1.jpg")
    (folder / "1.jpg").chmod(0)
    if os.access(folder / "1.jpg", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match=r"1\.jpg: cannot be read as an image .*denied"):
        read_frames(folder)


# --- fuzz ------------------------------------------------------------------------------------------------------------


def read_or_refuse(data: bytes) -> None:
    """A JPEG has no checksum: a flipped bit may change colours, and nothing can tell."""
    try:
        frame, message = decode_frame(data, "1.jpg"), ""
        assert frame.dtype == np.uint8
        assert frame.shape == (*frame_size(data, "1.jpg"), 3)
    except InputError as error:
        message = str(error)
    assert not message or message.startswith("1.jpg: ")


@given(st.binary(max_size=300), st.integers(0, len(NOISE_JPEG)))
@settings(max_examples=200 * TIMES, deadline=None)
def test_random_bytes(data: bytes, start: int) -> None:
    read_or_refuse(NOISE_JPEG[:start] + data)


@given(st.lists(st.integers(0, 8 * len(NOISE_JPEG) - 1), min_size=1, max_size=4))
@settings(max_examples=200 * TIMES, deadline=None)
def test_flipped_bits(bits: list[int]) -> None:
    data = bytearray(NOISE_JPEG)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    read_or_refuse(bytes(data))


@given(st.integers(0, len(NOISE_JPEG) - 1))
@settings(max_examples=100 * TIMES, deadline=None)
def test_truncation(length: int) -> None:
    with pytest.raises(InputError, match=r"^1\.jpg: cannot be read as an image"):
        decode_frame(NOISE_JPEG[:length], "1.jpg")
