from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lrprop.callbacks import EmbeddingWriter, UseFeatureBank
from lrprop.data import AlignmentDataModule, feature_bank
from lrprop.encoders import EfficientNetLite0, Encoder
from lrprop.module import AlignmentModule
from lrprop.objectives import SCL, LRProp

SMALL: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2, "feedforward": 16, "fc_units": (16,), "embedding": 8}

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec", "ignore:.*eval mode"
)


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[UseFeatureBank(), EmbeddingWriter(folder)],
        **options,
    )


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What the frame encoder saw."""
    images: list[Tensor] = []
    feature_map = EfficientNetLite0.feature_map

    def remembered(self: EfficientNetLite0, chunk: Tensor) -> Tensor:
        images.append(chunk)
        return feature_map(self, chunk)

    monkeypatch.setattr(EfficientNetLite0, "feature_map", remembered)
    return images


def test_one_bank_serves_every_method_seed_and_sweep(video_folder: Path, tmp_path: Path, seen: list[Tensor]) -> None:
    """And no frame goes through the frame encoder in training, evaluation or prediction."""

    def run(objective: nn.Module, seed: int, learning_rate: float, num_frames: int) -> None:
        pl.seed_everything(seed, verbose=False)
        data = AlignmentDataModule(
            video_folder, "custom", seed=seed, num_frames=num_frames, image_size=32, bank=tmp_path / "bank"
        )
        module = AlignmentModule(Encoder("pixels", num_frames=num_frames, **SMALL), objective, learning_rate)
        trainer(tmp_path, max_epochs=1, num_sanity_val_steps=0).fit(module, data)
        assert data.has_feature_bank

    run(LRProp(), seed=0, learning_rate=1e-3, num_frames=8)
    # One blank image before, then the plain and four augmented copies of 4 training videos and the plain one of 2.
    assert len(seen) >= 1 + 4 * 5 + 2
    seen.clear()
    run(SCL(), seed=1, learning_rate=1e-4, num_frames=10)
    assert not seen


def test_a_video_longer_than_chunk_and_window_is_embedded(
    video_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[Tensor]
) -> None:
    monkeypatch.setattr(feature_bank, "CHUNK", 4)
    data = AlignmentDataModule(video_folder, "custom", image_size=32, bank=tmp_path / "bank", bank_copies=1)
    torch.manual_seed(0)
    module = AlignmentModule(Encoder("pixels", window=6, **SMALL), LRProp())
    trainer(tmp_path).predict(module, data, return_predictions=False)
    assert max(map(len, seen)) == 4
    for views in data.predict_dataloader():
        video = data.videos[int(views.video)]
        embeddings = np.load(tmp_path / "embeddings" / f"{video.id}.npy")
        assert embeddings.shape == (video.n, 8)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
        with torch.inference_mode():
            np.testing.assert_allclose(module.eval()(views)[0].numpy(), embeddings, atol=1e-6)
