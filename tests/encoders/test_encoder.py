from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lrprop.batch import Views
from lrprop.data.images import ImageAugmentation
from lrprop.data.videofile import read_video
from lrprop.encoders import EfficientNetLite0, Encoder, PoseMLP, ResNet50
from lrprop.encoders.backbones import imagenet_efficientnet_lite0
from lrprop.encoders.temporal import TemporalTransformer, sinusoidal_codes

SMALL: dict[str, Any] = {
    "layers": 2,
    "width": 32,
    "heads": 4,
    "feedforward": 32,
    "fc_units": (16,),
    "embedding": 8,
    "num_frames": 6,
}


def pose_views(lengths: list[int], frames: int = 6) -> Views:
    count = len(lengths)
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(frames) < torch.tensor(lengths).unsqueeze(1)
    poses = torch.randn(count, frames, 13, 3, generator=generator)
    steps = torch.arange(frames).repeat(count, 1)
    return Views(poses, steps, mask, torch.tensor(lengths), torch.arange(count) // 2)


def test_embeddings_have_unit_length_on_real_frames_only() -> None:
    views = pose_views([6, 4])
    for z in (Encoder("poses", **SMALL)(views), *Encoder("poses", **SMALL).training_embeddings(views)):
        assert z.shape == (2, 6, 8)
        torch.testing.assert_close(z.norm(dim=-1), views.mask.float())


def test_padding_changes_nothing() -> None:
    """Neither attention nor BatchNorm statistics see it, so training embeddings and buffers stay the same."""
    views, encoder = pose_views([6, 4, 5, 3]), Encoder("poses", dropout=0.0, **SMALL)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    z = encoder.training_embeddings(views)[0]
    after = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    encoder.load_state_dict(before)
    views.frames = torch.where(views.mask[..., None, None], views.frames, torch.full_like(views.frames, 1e6))
    torch.testing.assert_close(encoder.training_embeddings(views)[0], z)
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(tensor, after[name])


def test_gradient_reaches_every_trained_weight() -> None:
    encoder = Encoder("poses", **SMALL)
    encoder.training_embeddings(pose_views([6, 4]))[0].square().sum().backward()
    # A constant added to all embeddings in front of a BatchNorm has no effect; every other weight has one.
    without = [name for name, p in encoder.named_parameters() if p.grad is None]
    assert without == []


def test_positions_are_stretched_to_the_training_length() -> None:
    transformer = TemporalTransformer(width=8, layers=1, heads=2, num_frames=7)
    train, longer = (transformer._positions(torch.zeros(2, length, 8)) for length in (7, 13))
    torch.testing.assert_close(train, torch.arange(7.0))
    torch.testing.assert_close(longer[::2], train)


def test_position_codes() -> None:
    codes = sinusoidal_codes(torch.tensor([0.0, 3.0]), 8)
    expected = torch.tensor([torch.tensor(3.0).sin(), torch.tensor(3 / 10000 ** (1 / 8)).cos()])
    torch.testing.assert_close(codes[1, :2], expected)
    torch.testing.assert_close(codes[0], torch.tensor([0.0, 1.0] * 4))


def test_features_skip_the_frame_encoder() -> None:
    encoder = Encoder("pixels", **SMALL).eval()
    images = torch.randint(0, 255, (1, 3, 3, 64, 64), dtype=torch.uint8)
    steps, mask = torch.arange(3).unsqueeze(0), torch.ones(1, 3, dtype=torch.bool)
    views = Views(images, steps, mask, torch.tensor([3]), torch.tensor([0]))
    z = encoder(views)
    views.frames = encoder.frame_features(images[0]).unsqueeze(0)
    torch.testing.assert_close(encoder(views), z)


def test_centred_features_forget_what_a_view_shares() -> None:
    """A constant of each view changes nothing, whatever its padding holds."""
    encoder = Encoder("pixels", centred=True, **SMALL).eval()
    views = pose_views([6, 4])
    views.frames = torch.randn(2, 6, encoder.backbone.num_features)
    z = encoder(views)
    views.frames = views.frames + torch.randn(2, 1, encoder.backbone.num_features)
    views.frames[1, 4:] = 1e6
    torch.testing.assert_close(encoder(views), z, rtol=1e-4, atol=1e-5)


def test_efficientnet_has_the_packaged_weights_and_stays_frozen() -> None:
    backbone = EfficientNetLite0(chunk=2)
    assert backbone.frozen
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    images = torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8)
    features = backbone(images)
    assert features.shape == (3, backbone.num_features)
    torch.testing.assert_close(
        features, torch.cat([backbone(image.unsqueeze(0)) for image in images]), rtol=1e-4, atol=1e-4
    )


def test_efficientnet_keeps_the_place_in_its_grid() -> None:
    backbone = EfficientNetLite0(grid=2)
    left = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    left[..., 20:44, 4:28] = 255
    other = left.roll(32, dims=-1)
    cells, moved = (backbone(image).view(112, 2, 2) for image in (left, other))
    assert (cells[..., 0] - moved[..., 1]).abs().mean() < 0.5 * (cells[..., 0] - moved[..., 0]).abs().mean()


def test_efficientnet_knows_golf(shared: Path) -> None:
    """The packaged tensors stand in timm's order: a golf ball is among the likeliest classes of a golf swing."""
    backbone, network = EfficientNetLite0(), imagenet_efficientnet_lite0().eval()
    frames = ImageAugmentation(224).plain(read_video(shared / "video/golf_swing/swing1.mp4", [50, 100]))
    with torch.inference_mode():
        scores = network((frames.float() / 255 - backbone.mean) / backbone.std)
    golf_ball = 574
    assert all(golf_ball in likeliest for likeliest in scores.topk(3).indices)


def test_what_is_trained_cannot_use_the_feature_bank() -> None:
    assert not Encoder("pixels", pixels=lambda: ResNet50("random"), **SMALL).can_use_feature_bank
    assert Encoder("pixels", **SMALL).can_use_feature_bank


def test_resnet_reads_a_state_dict(tmp_path: Path) -> None:
    from torchvision.models import resnet50

    network = resnet50(weights=None)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "byol.pth")
    backbone = ResNet50(str(tmp_path / "byol.pth"))
    torch.testing.assert_close(backbone.layer4.state_dict(), network.layer4.state_dict())


def test_pose_mlp_reads_joints() -> None:
    assert PoseMLP(joints=13, width=4)(torch.randn(5, 13, 3)).shape == (5, 4)
