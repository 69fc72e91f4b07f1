from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from lrprop.data import images
from lrprop.data.images import GaussianBlur, ImageAugmentation, adjust_hue


def frames(count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (1, 40, 60, 3), dtype=np.uint8).repeat(count, axis=0)


def different_frames(count: int) -> np.ndarray:
    """Soft colours, each frame its own and brighter than the one before."""
    coarse = np.random.default_rng(0).integers(0, 100 + 155 * np.arange(1, count + 1)[:, None, None, None] // count,
                                               (count, 7, 9, 3))  # fmt: skip
    soft = v2.functional.resize(torch.from_numpy(coarse).to(torch.uint8).permute(0, 3, 1, 2), [90, 120])
    return soft.permute(0, 2, 3, 1).numpy()


def test_plain_keeps_the_whole_image() -> None:
    image = np.zeros((1, 40, 60, 3), np.uint8)
    image[:, :20] = 200
    plain = ImageAugmentation(32).plain(image)
    assert plain.shape == (1, 3, 32, 32)
    assert plain.dtype == torch.uint8
    assert (plain[..., :14, :] == 200).all()
    assert (plain[..., 18:, :] == 0).all()


def test_one_draw_serves_all_frames() -> None:
    for seed in range(8):
        changed = ImageAugmentation(32).augmented(frames(), np.random.default_rng(seed))
        assert changed.shape == (3, 3, 32, 32)
        assert changed.dtype == torch.uint8
        assert (changed == changed[:1]).all()


def test_draws_differ_and_repeat_with_the_generator() -> None:
    augment = ImageAugmentation(32).augmented
    first, again, other = (augment(frames(), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    ImageAugmentation(32).augmented(frames(), np.random.default_rng(0))
    assert torch.equal(torch.rand(3), expected)


def test_tensors_are_as_good_as_arrays() -> None:
    augmentation = ImageAugmentation(32)
    array, tensor = frames(), torch.from_numpy(frames())
    assert torch.equal(augmentation.plain(tensor), augmentation.plain(array))
    changed = (augmentation.augmented(given, np.random.default_rng(0)) for given in (tensor, array))
    assert torch.equal(*changed)


def test_frames_that_go_together_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    video = different_frames(5)
    augment = ImageAugmentation(32).augmented
    for seed in range(8):
        together = augment(video, np.random.default_rng(seed))
        with monkeypatch.context() as patched:
            patched.setattr(images, "_CACHED_PIXELS", 2 * 32**2)
            in_parts = augment(video, np.random.default_rng(seed))
        assert torch.equal(together, in_parts)


def torchvision_says(video: np.ndarray, size: int, rng: np.random.Generator, dtype: torch.dtype) -> Tensor:
    """What v2's transforms make of the frames if colours are of this type after the crop, in levels of 255."""
    transforms = v2.Compose([
        v2.RandomResizedCrop(size, scale=(0.4, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(dtype, scale=True),
        v2.RandomApply([v2.ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)], p=0.8),
        v2.RandomGrayscale(p=0.2),
        v2.RandomApply([v2.GaussianBlur(size // 20 * 2 + 1, sigma=(0.1, 2.0))], p=0.5),
    ])  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**63)))
        expected = transforms(torch.from_numpy(video).permute(0, 3, 1, 2))
    return expected.double() * (255 if dtype.is_floating_point else 1)


def test_a_seed_gives_the_images_that_torchvision_gives() -> None:
    video = different_frames(2)
    for seed in range(24):
        changed = ImageAugmentation(80).augmented(video, np.random.default_rng(seed)).double()
        exact = torchvision_says(video, 80, np.random.default_rng(seed), torch.float32)
        # Half a level of rounding, a tenth for the ends of the blur's kernel.
        assert (changed - exact).abs().max() < 0.6
        # Torchvision cuts the fraction off after every change of integer colours, which contrast then enlarges.
        on_integers = torchvision_says(video, 80, np.random.default_rng(seed), torch.uint8)
        assert (changed - on_integers).abs().max() <= 8
        assert (changed - on_integers).abs().mean() < 3


@pytest.mark.parametrize("turn", [-0.5, -0.2, -0.07, 0.0, 0.1, 0.2, 0.5])
def test_hue_is_that_of_torchvision(turn: float) -> None:
    levels = torch.linspace(0, 1, 6)
    # Every mixture of six levels: black, white, grays, pure colours, two or three channels alike.
    colours = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 12, 18)
    torch.testing.assert_close(adjust_hue(colours, turn), v2.functional.adjust_hue(colours, turn), atol=1e-5, rtol=0)


def test_hue_of_nearly_gray_pixels_stays_finite() -> None:
    nearly = 0.5 + torch.tensor([0.0, 6e-8, -6e-8]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(adjust_hue(nearly, 0.2), nearly, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 1.7, 2.0])
@pytest.mark.parametrize("kernel_size", [1, 3, 11, 23])
def test_blur_is_that_of_torchvision(sigma: float, kernel_size: int) -> None:
    noise = torch.rand(2, 3, 30, 40, generator=torch.Generator().manual_seed(0))
    expected = v2.functional.gaussian_blur(noise, [kernel_size] * 2, [sigma] * 2)
    blurred = GaussianBlur(kernel_size, (sigma, sigma))(noise)
    assert (blurred - expected).abs().max() < 0.5 / 255
