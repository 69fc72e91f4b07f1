"""Samples the nuisances of each clip and writes a set of clips with their labels.

Files: `body.py` the skeleton, `stage.py` and `motion.py` the actions, `tempo.py` the speed, `scenery.py` and
`render.py` the pictures.

How hard the set is was fixed by measurement before any model saw it, and it is not to be tuned afterwards. On the
phase labels derived from the joints of Penn Action (7 actions, 1,096 videos) the time of a phase boundary, as a
share of the video, has a standard deviation across videos of 0.077 on average over the boundaries, from 0.036
(jumping_jacks) to 0.142 (tennis_forehand). Those videos are trimmed tightly around one execution; a user's own clips
are not. So a clip here is

- still for a share ~ U(0, 0.18) before the action and another one after it, while c stays at 0 or at 1;
- in between as fast as exp(0.4 g(t)), g a smooth random curve of unit variance, in 30 % of the clips with one
  near-pause at 7 % of that speed.

Over the 14 actions that gives boundaries a standard deviation of 0.092 (from 0.07 to 0.10): above the mean of the
real one, inside its range. To align two clips by their share of the length alone, without looking, is then wrong by
a mean |c1 - c2| of 0.091, and 61 % (clean_and_jerk) to 89 % (two-phase actions) of the frames get the right phase.
On the real labels, with c interpolated between the mean boundaries, that error is 0.030 (jumping_jacks) to 0.090
(tennis_forehand). A method that does not beat the share of the length has learned nothing.

A clip also has its own length (20 to 120 frames), proportions, amplitude and key poses, camera (25 degrees to either
side, up to 16 from above, mirrored or not, shaking), clothes, backdrop, bystander, light and grain. In squat, pushup,
pullup, situp, bench_press and jumping_jacks the figure moves there and back: a single frame does not tell which half
of the action it belongs to, and the stillness before looks like the stillness after.
"""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from lrprop.data.synthetic.motion import ACTIONS, Action
from lrprop.data.synthetic.render import render
from lrprop.data.synthetic.stage import Performer
from lrprop.data.synthetic.tempo import LENGTHS, canonical_times
from lrprop.data.videofile import write_video
from lrprop.errors import InputError

VERSION = 1  # raise it whenever the same seed gives other frames or labels
FPS = 30.0
MANIFEST = "synthetic.json"
SPLITS = ("train", "val")

log = logging.getLogger(__name__)


def generate(action: str, root: Path | str, *, train: int = 40, val: int = 20, seed: int = 0, size: int = 128) -> Path:
    """Writes a set of short videos of one action, with phases and canonical times.

    The layout is the one of a user's own videos: `root/train/<action>_0000.mp4 ..`, `root/val/..`, and
    `root/labels.csv` with the columns video, frame, phase (0..K-1) and time (the canonical time c in [0, 1]);
    `root/synthetic.json` says how the set was made. The same arguments give the same set, and a clip depends on
    action, seed, split and its number only, not on how many others there are.

    The set is written beside `root` and appears there once it is complete; what an interrupted run left is removed.
    A complete set made with the same arguments is used as it is.

    Args:
        action: one of `ACTIONS`.
        root: the folder to write; it must not exist, be empty, or hold the very same set.
        train: number of training clips, >= 1.
        val: number of validation clips, >= 1.
        seed: >= 0.
        size: height and width of the frames in pixels, even, >= 32.

    Returns:
        `root`.

    Raises:
        InputError: an argument is out of range, or `root` holds something else.
    """
    root = Path(root)
    _check(action, train, val, seed, size)
    manifest: dict[str, int | str] = {
        "generator": VERSION,
        "action": action,
        "train": train,
        "val": val,
        "seed": seed,
        "size": size,
    }
    if _is_complete(root, manifest):
        log.info("%s: the set is there already, nothing to generate", root)
        return root
    partial = root.absolute().with_name(f"{root.absolute().name}.partial")
    if partial.exists():
        log.warning("%s: left by an interrupted run; it is removed and generated anew", partial)
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    _write_clips(partial, action, {"train": train, "val": val}, seed, size)
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    if root.exists():
        root.rmdir()  # empty, or _is_complete had refused it; Windows does not rename over a folder
    partial.rename(root)
    return root


def contact_sheet_frames(action: str, count: int = 8, seed: int = 0, size: int = 128) -> np.ndarray:
    """Frames of one performance at equally spaced canonical times from 0 to 1, to look at.

    Args:
        action: one of `ACTIONS`.
        count: number of frames.
        seed: >= 0; chooses the performer and the scene.
        size: height and width in pixels.

    Returns:
        (count, size, size, 3) uint8.

    Raises:
        InputError: the action is not known.
    """
    _check(action, 1, 1, seed, size)
    _, style, look = _generators(action, seed, "sheet", 0)
    return np.stack(list(_film(ACTIONS[action], np.linspace(0, 1, count), style, look, size)))


def _check(action: str, train: int, val: int, seed: int, size: int) -> None:
    if action not in ACTIONS:
        raise InputError(f"action {action!r} is not known; choose one of {', '.join(ACTIONS)}")
    for name, count in (("train", train), ("val", val)):
        if count < 1:
            raise InputError(f"{name} = {count}: a set needs at least one clip of each split; give {name} >= 1")
    if seed < 0:
        raise InputError(f"seed = {seed}: give a seed >= 0")
    if size < 32 or size % 2:
        raise InputError(f"size = {size}: H.264 needs even sides and the figure some room; give an even size >= 32")


def _is_complete(root: Path, manifest: dict[str, int | str]) -> bool:
    """Whether `root` holds exactly this set; False where there is nothing; anything else is refused."""
    remedy = "choose another --root, or remove it"
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    if not (root / MANIFEST).is_file():
        raise InputError(f"{root}: exists, but is no synthetic set (it has no {MANIFEST}); {remedy}")
    try:
        found = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{root / MANIFEST}: not valid JSON ({error}); {remedy}") from error
    if found != manifest:
        raise InputError(f"{root}: holds another synthetic set ({found}) than the one asked for ({manifest}); {remedy}")
    names = [f"{split}/{manifest['action']}_{k:04d}.mp4" for split in SPLITS for k in range(int(manifest[split]))]
    missing = [name for name in ["labels.csv", *names] if not (root / name).is_file()]
    if missing:
        raise InputError(f"{root}: {len(missing)} files of the set are gone, the first is {missing[0]}; {remedy}")
    return True


def _write_clips(folder: Path, action: str, counts: dict[str, int], seed: int, size: int) -> None:
    clips = [(split, k) for split, count in counts.items() for k in range(count)]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["video", "frame", "phase", "time"])
        for split, k in track(clips, description=f"{action}: generating"):
            video = f"{split}/{action}_{k:04d}"
            tempo, style, look = _generators(action, seed, split, k)
            c = _complete_times(ACTIONS[action], tempo)
            write_video(folder / f"{video}.mp4", _film(ACTIONS[action], c, style, look, size), FPS)
            rows = zip(ACTIONS[action].phase(c).tolist(), c.tolist(), strict=True)
            table.writerows([video, frame, phase, f"{time:.6f}"] for frame, (phase, time) in enumerate(rows))


def _generators(action: str, seed: int, split: str, k: int) -> tuple[np.random.Generator, ...]:
    """Independent generators for tempo, style and look of one clip."""
    entropy = [seed, list(ACTIONS).index(action), ("train", "val", "sheet").index(split), k]
    return tuple(np.random.default_rng(child) for child in np.random.SeedSequence(entropy).spawn(3))


def _complete_times(action: Action, rng: np.random.Generator) -> np.ndarray:
    """Canonical times in which each phase has a frame: others (under 3 % of the shortest clips) are drawn again."""
    n = int(rng.integers(LENGTHS[0], LENGTHS[1] + 1))
    while True:
        c = canonical_times(rng, n).round(6)  # as labels.csv holds them, so that phase and time agree
        if len(np.unique(action.phase(c))) == action.phases:
            return c


def _film(
    action: Action, c: np.ndarray, style: np.random.Generator, look: np.random.Generator, size: int
) -> Iterator[np.ndarray]:
    """The frames (size, size, 3) of a clip with the canonical times c (n,)."""
    return render(action.perform(Performer(c, style)), action.view, size, look)
