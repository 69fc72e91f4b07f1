from __future__ import annotations

import numpy as np
import torch

from lrprop.data.images import ImageAugmentation


def frames(count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (1, 40, 60, 3), dtype=np.uint8).repeat(count, axis=0)


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
