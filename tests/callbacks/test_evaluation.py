from __future__ import annotations

from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from lrprop.batch import EmbeddedVideo
from lrprop.callbacks import Evaluation
from lrprop.data import AlignmentDataModule
from lrprop.data.loose import loose_clip
from lrprop.encoders import Encoder
from lrprop.metrics import evaluate
from lrprop.module import AlignmentModule
from lrprop.objectives import LRProp

small = partial(Encoder, layers=1, width=16, heads=2, feedforward=16, fc_units=(16,), embedding=8)


@pytest.fixture(params=["poses", "pixels", "features"])
def data(request: pytest.FixtureRequest, penn_folder: Path, video_folder: Path, tmp_path: Path) -> AlignmentDataModule:
    is_poses = request.param == "poses"
    root, action = (penn_folder, "squat") if is_poses else (video_folder, "custom")
    data = AlignmentDataModule(root, action, tune_fraction=0.3, split_seed=1, image_size=32, bank=tmp_path)
    data.setup()
    if request.param == "features":
        encoder = small("pixels")
        data.use_feature_bank("lite0", lambda images: encoder.frame_features(images).numpy())
    return data


def validated(data: AlignmentDataModule) -> tuple[Evaluation, AlignmentModule, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    encoder = small("poses") if data.videos[0].poses is not None else small("pixels")
    module, evaluation = AlignmentModule(encoder, LRProp()), Evaluation()
    trainer = pl.Trainer(
        callbacks=[evaluation],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.validate(module, data, verbose=False)
    return evaluation, module.eval(), dict(trainer.callback_metrics)


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*no phase labels", "ignore:.*LeafSpec")
def test_loose_clips_are_embedded_and_judged_beside_the_videos(data: AlignmentDataModule) -> None:
    evaluation, module, logged = validated(data)
    assert list(evaluation.embedded) == ["train", "val", "tune", "val/loose", "tune/loose"]
    for split in ("val", "tune"):
        loose = evaluation.embedded[f"{split}/loose"]
        for number, (video, clip) in enumerate(zip(data.split(split), loose, strict=True)):  # type: ignore[arg-type]
            steps = loose_clip(video, seed=1)
            assert clip.id == video.id
            for track, shown in ((video.labels, clip.labels), (video.truth, clip.truth)):
                assert (track is None) == (shown is None)
                np.testing.assert_array_equal(shown, None if track is None else track[steps])
            # The model saw the clip, not the video that it was cut from.
            with torch.inference_mode():
                embeddings = module(data.evaluated_sets[f"{split}/loose"][number])[0].numpy()
            np.testing.assert_allclose(clip.embeddings, embeddings, atol=1e-6)
            whole = evaluation.embedded[split][number].embeddings
            assert np.abs(clip.embeddings - whole[steps]).max() > 1e-3

        trimmed = evaluate(evaluation.embedded["train"], evaluation.embedded[split])
        of_loose = evaluate(evaluation.embedded["train"], loose, fractions=(1.0,))
        expected = trimmed | {f"loose/{name}": value for name, value in of_loose.items()}
        assert evaluation.results[split] == expected
        for name, value in expected.items():
            assert float(logged[f"{split}/{name}"]) == pytest.approx(np.nan if value is None else value, nan_ok=True)


def test_each_action_is_evaluated_alone_and_the_mean_is_over_those_that_have_the_metric() -> None:
    """Two actions of the same phases but opposite embeddings, and one without labels: mixed, nothing would fit."""
    rng = np.random.default_rng(0)

    def videos(action: str, sign: float, labelled: bool) -> list[EmbeddedVideo]:
        made = []
        for number in range(4):
            n = int(rng.integers(10, 16))
            track = sign * np.linspace(-1, 1, n)[:, np.newaxis] + 0.3 * rng.normal(size=(n, 2))
            labels = np.arange(n) * 3 // n if labelled else None
            made.append(EmbeddedVideo(f"{action}{number}", track, labels, None, action))
        return made

    of_action = {"bow": videos("bow", 1, True), "nod": videos("nod", -1, True), "wave": videos("wave", 1, False)}
    everything = [video for group in of_action.values() for video in group]
    evaluation = Evaluation()
    both = evaluation.metrics_of({"train": everything, "val": everything, "val/loose": everything}, "val")
    alone = {
        action: evaluation.metrics_of({"train": group, "val": group, "val/loose": group}, "val")
        for action, group in of_action.items()
    }
    assert set(both) == set(alone["bow"]) | {f"{action}/{name}" for action in alone for name in alone[action]}
    for action, metrics in alone.items():
        assert {name: both[f"{action}/{name}"] for name in metrics} == metrics
    for name in alone["bow"]:
        defined = [value for metrics in alone.values() if (value := metrics[name]) is not None]
        assert both[name] == pytest.approx(np.mean(defined))
    assert alone["wave"]["dtw_accuracy"] is None
