"""Videos as batches: two views of each training video, or one whole video at a time.

What goes wrong in a worker process comes back beside the views, and is judged where the batches arrive: it is one clear
error, or, of an unreadable video that is to be skipped, a line in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import DataLoader, Dataset

from lrprop.batch import Views
from lrprop.data.inputs import DecodedVideo, Inputs, PixelInputs
from lrprop.data.loose import loose_clip
from lrprop.data.problems import Skipped
from lrprop.data.sampling import TemporalSampling
from lrprop.data.video import UnreadableVideoError, Video
from lrprop.errors import InputError


@dataclass
class DecodedViews(Views):
    """Training views on their way to the GPU that will augment them; their frames are empty (V, T, 0) until then.

    Attributes:
        videos: what the frames of each two views in turn are made of.
    """

    videos: list[DecodedVideo]

    def augmented(self, inputs: PixelInputs) -> Views:
        """The views, on the device that they are on."""
        frames = [view for video in self.videos for view in inputs.augmented(video)]
        ready = {field.name: getattr(self, field.name) for field in fields(Views)}
        return Views(**ready | {"frames": _padded(frames, self.mask.shape[1])})


Loaded: TypeAlias = tuple[Views | None, list[InputError]]
"""A batch, None where nothing of it could be read, and what went wrong on the way."""


class TrainingViews(Dataset[Views]):
    """Two views of a video; an index is (epoch, video), and every draw is a function of it and the seed.

    Args:
        videos: the training videos.
        inputs: the kind of input.
        sampling: draws the steps of the views.
        seed: seed of all draws.
        skipped: gets unreadable videos; None makes them an error.
        decoded_only: leave the augmentation of pixels to `DecodedViews.augmented`.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        inputs: Inputs,
        sampling: TemporalSampling,
        seed: int,
        skipped: Skipped | None = None,
        decoded_only: bool = False,
    ) -> None:
        self.videos, self.inputs, self.sampling, self.seed, self.skipped = videos, inputs, sampling, seed, skipped
        self.decoded_only = decoded_only

    def __getitems__(self, indices: list[tuple[int, int]]) -> list[Views | InputError]:
        """The views of a batch of different videos, and an error for each that cannot be read.

        In the place of such a video comes the next of its action that can be read and is not in the batch, whenever it
        is drawn: what a batch holds is a function of the files, and the same after a run resumes.
        """
        parts: list[Views | InputError] = []
        taken = {number for _, number in indices}
        for epoch, number in indices:
            for candidate in [number, *self._stand_ins(number, taken)]:
                taken.add(candidate)
                parts.append(_item_or_error(self, (epoch, candidate)))
                if isinstance(parts[-1], Views):
                    break
            else:
                problem = f"no other training video can take the place of {self.videos[number].path}"
                parts.append(InputError(f"{problem}; mend it, or add videos"))
        return parts

    def _stand_ins(self, number: int, taken: set[int]) -> Iterator[int]:
        """The other videos of the action, in order from the given one."""
        count, action = len(self.videos), self.videos[number].action
        others = ((number + k) % count for k in range(1, count if self.skipped is not None else 0))
        return (other for other in others if other not in taken and self.videos[other].action == action)

    def __getitem__(self, index: tuple[int, int]) -> Views:
        """The two views of one video, V = 2."""
        epoch, number = index
        video, num_frames = self.videos[number], self.sampling.num_frames
        rng = np.random.default_rng((self.seed, epoch, number))
        steps = self.sampling.draw(video.n, rng)
        real = [chosen[chosen < video.n] for chosen in steps]
        views = Views(
            frames=torch.empty(2, num_frames, 0),
            steps=torch.stack([_pad_to(torch.from_numpy(chosen), num_frames) for chosen in steps]),
            mask=torch.stack([torch.arange(num_frames) < len(chosen) for chosen in real]),
            lengths=torch.full((2,), video.n),
            video=torch.full((2,), number),
        )
        if self.decoded_only and isinstance(self.inputs, PixelInputs):
            return DecodedViews(**vars(views), videos=[self.inputs.decoded(video, real, rng)])
        return replace(views, frames=_padded(self.inputs.views(video, real, rng), num_frames))


class WholeVideos(Dataset[Views]):
    """All frames of one video, for evaluation, or those of its loose clip.

    Args:
        videos: the videos.
        inputs: the kind of input.
        loose_seed: seed of the loose clips, see `lrprop.data.loose`; None for the videos as they are.
        skipped: gets unreadable videos; None makes them an error.
    """

    def __init__(
        self, videos: Sequence[Video], inputs: Inputs, loose_seed: int | None = None, skipped: Skipped | None = None
    ) -> None:
        self.videos, self.inputs, self.loose_seed, self.skipped = videos, inputs, loose_seed, skipped

    def __len__(self) -> int:
        """Number of videos, the unreadable among them."""
        return len(self.videos)

    def __getitems__(self, numbers: list[int]) -> list[Views | InputError]:
        """Each video, or why it cannot be read."""
        return [_item_or_error(self, number) for number in numbers]

    def __iter__(self) -> Iterator[Views]:
        """Every video that can be read, one at a time, without a worker process."""
        loaded = (join_loaded(self.__getitems__([number])) for number in range(len(self)))
        return _at_least_one(_judged(loaded, self.skipped))

    def __getitem__(self, number: int) -> Views:
        """One video, V = 1; T = n, or the length of its loose clip."""
        video = self.videos[number]
        steps = torch.arange(video.n)
        if self.loose_seed is not None:
            steps = torch.from_numpy(loose_clip(video, self.loose_seed))
        return Views(
            frames=self.inputs.plain(video)[steps].unsqueeze(0),
            steps=steps.unsqueeze(0),
            mask=torch.ones(1, len(steps), dtype=torch.bool),
            lengths=torch.tensor([video.n]),
            video=torch.tensor([number]),
        )


def _item_or_error(videos: Dataset[Views], index: Any) -> Views | InputError:
    try:
        return videos[index]
    except InputError as error:
        return error


class ViewsLoader(DataLoader[Views]):
    """Loads the batches of `TrainingViews` or `WholeVideos`; an InputError of a worker process arrives as it is.

    Args:
        dataset: what is loaded.
        shared: other processes load other parts of it; this one may then have nothing.
        **options: those of `DataLoader`.
    """

    dataset: Any

    def __init__(self, dataset: Dataset[Views], shared: bool = False, **options: Any) -> None:
        super().__init__(dataset, **options)
        self.shared = shared

    def __iter__(self) -> Iterator[Views]:  # type: ignore[override]
        """The batches; of those in which nothing can be read, none.

        Raises:
            InputError: a video cannot be read and is not to be skipped, or too few can be read.
        """
        judged = _judged(super().__iter__(), self.dataset.skipped)
        # Nothing is drawn before the first batch is asked for: Lightning makes iterators before it knows the epoch.
        yield from judged if self.shared else _at_least_one(judged)


def _judged(batches: Iterable[Loaded], skipped: Skipped | None) -> Iterator[Views]:
    for views, errors in batches:
        for error in errors:
            if skipped is None or not isinstance(error, UnreadableVideoError):
                raise error
            skipped.append(str(error), error.id)
        if views is not None:
            yield views


def _at_least_one(batches: Iterator[Views]) -> Iterator[Views]:
    if (first := next(batches, None)) is None:
        raise InputError("none of the videos can be read; see the warnings above")
    yield first
    yield from batches


def join_loaded(parts: Sequence[Views | InputError]) -> Loaded:
    """The views of several items as one batch, apart from the errors."""
    views = [part for part in parts if isinstance(part, Views)]
    return join_views(views) if views else None, [part for part in parts if isinstance(part, InputError)]


def join_views(parts: Sequence[Views]) -> Views:
    """The views of several items as one batch; all must share T."""
    joined: dict[str, Any] = {}
    for name in vars(parts[0]):
        values = [getattr(part, name) for part in parts]
        joined[name] = torch.cat(values) if isinstance(values[0], Tensor) else list(chain.from_iterable(values))
    return type(parts[0])(**joined)


def _padded(frames: Sequence[Tensor], length: int) -> Tensor:
    return torch.stack([_pad_to(view, length) for view in frames])


def _pad_to(frames: Tensor, length: int) -> Tensor:
    return pad(frames, [0, 0] * (frames.dim() - 1) + [0, length - len(frames)])
