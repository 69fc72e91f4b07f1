"""The documentation: its examples run, its command lines are understood, its links lead somewhere, its site builds."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import auto_cli, capture_parser

from lrprop.cli import TOOLS, main
from lrprop.data.folder import phase_names, read_folder
from lrprop.data.videofile import write_video
from lrprop.sweep import read_sweep
from tests.test_cli import TINY

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *DOCS.rglob("*.md")])
# What makes a training of the pages one of seconds.
SMALL = [*TINY, *("--trainer.max_epochs", "1", "--data.image_size", "32", "--floors", "false")]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.mark.parametrize("page", ["alignment.md"])
def test_the_examples_of_a_page_run_as_one_program(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    torch.manual_seed(0)
    names: dict[str, object] = {}
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert blocks
    for block in blocks:
        lines_before = text[: block.start(1)].count("\n")  # so that a traceback shows the line of the page
        exec(compile("\n" * lines_before + block[1], page, "exec"), names)


@dataclass(frozen=True)
class Block:
    """A block of code: a file where it has a title, else a program or command lines."""

    page: str
    line: int
    language: str
    title: str
    text: str

    def command_lines(self) -> list[str]:
        joined = self.text.replace("\\\n", " ")
        return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]

    def execute(self, names: dict[str, Any]) -> None:
        exec(compile("\n" * self.line + self.text, self.page, "exec"), names)


def blocks_of(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    fences = re.finditer(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return [Block(page, text[: found.start(3)].count("\n"), found[1], found[2] or "", found[3]) for found in fences]


def commands_of(page: str) -> list[str]:
    """The command lines of a page; GitHub shows those of the README in blocks without a language."""
    blocks = [block for block in blocks_of(page) if not block.title]
    of_shell = [block for block in blocks if block.language == "bash" or block.text.startswith("make ")]
    return [line for block in of_shell for line in block.command_lines()]


@pytest.fixture
def house(
    tmp_path: Path,
    video_folder: Path,
    penn_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A place as the pages assume it: the repository's root, with the data that they speak of."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for environment in (".venv", ".sweeps"):  # make finds them installed
        (tmp_path / environment).mkdir()
        (tmp_path / environment / "installed").touch()
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    (tmp_path / "docs").symlink_to(DOCS)
    for name in ("path/to/clips", "path/to/new_clips", "data/synthetic/squat"):
        shutil.copytree(video_folder, tmp_path / name)
    shutil.copytree(penn_folder, tmp_path / "path/to/Penn_Action")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # PYTHONPATH=.
    return tmp_path


def write(block: Block, house: Path) -> None:
    """Writes a block with a title as the file that it is, or into the file that it changes."""
    file = house / block.title
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(patched(file.read_text(), block.text) if block.language == "diff" else block.text)


def patched(text: str, diff: str) -> str:
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before, after = ("".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +"))
        assert text.count(before) == 1, f"the page changes what is not there, or not once: {before}"
        text = text.replace(before, after)
    return text


def lrprop_calls(line: str) -> list[list[str]]:
    """The arguments of `lrprop` in the calls that a command line amounts to; what else is in it is checked.

    Of `make` it is what it would run.
    """
    words = shlex.split(line.partition(" > ")[0], comments=True)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    program, arguments = Path(words[0]).name, words[1:]
    if program == "lrprop":
        return [arguments]
    if program == "make":
        return calls_of_make(arguments)
    if program == "torchrun":
        return [arguments_under_torchrun(arguments)]
    if program == "wandb":
        check_wandb(arguments)
    elif program == "python":
        assert (ROOT / arguments[0]).is_file(), line
    else:
        assert program in {"ruff", "mypy", "pytest", "source", "printf", "echo"}, f"{line}: checked nowhere"
    return []


def calls_of_make(arguments: list[str]) -> list[list[str]]:
    for name in (word.partition("=")[0] for word in arguments if re.match(r"[A-Z_]+=", word)):
        assert re.search(rf"^{name} *[?:]=|\$\({name}\)", (ROOT / "Makefile").read_text(), re.MULTILINE), name
    words = ["make", "-n", "PROFILE=cpu", *arguments]
    shown = subprocess.run(words, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    lines = [line.removeprefix("MAKEFLAGS= ") for line in shown.stdout.splitlines()]
    return [call for line in lines if line.startswith(".venv/bin/") for call in lrprop_calls(line)]


def arguments_under_torchrun(arguments: list[str]) -> list[str]:
    from torch.distributed.run import parse_args

    found = parse_args(arguments)
    assert found.module
    assert found.training_script == "lrprop"
    behind: list[str] = found.training_script_args
    return behind


def check_wandb(arguments: list[str]) -> None:
    cli = pytest.importorskip("wandb.cli.cli", reason="wandb is not installed")
    assert arguments[0] in cli.cli.commands
    for word in arguments:
        assert not word.endswith(".yaml") or Path(word).is_file(), word


def understood(call: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Checks the arguments of a call without doing what it says; returns the configuration of a run."""
    if call[0] in TOOLS:
        capture_parser(lambda: auto_cli(TOOLS[call[0]], args=[], as_positional=True)).parse_args(call[1:])
        return ""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(call if "--print_config" in call else [*call, "--print_config"])
    printed = capsys.readouterr()
    assert stop.value.code == 0, printed.err
    return printed.out


@needs_make
@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)])
def test_command_lines_are_understood(page: str, house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = house / "runs/custom-lrprop-0/config.yaml"  # as the training of a page would leave it
    run.parent.mkdir(parents=True)
    run.write_text(understood(lrprop_calls("make train ACTION=custom DATA=path/to/clips")[0], capsys))
    for block in blocks_of(page):
        if block.title.endswith((".py", ".yaml")) and block.title.partition("/")[0] != "src":
            write(block, house)
    # Files that a line writes come first, wherever the page tells of them.
    for line in sorted(commands_of(page), key=lambda line: " > " not in line):
        for call in lrprop_calls(line):
            printed = understood(call, capsys)
            if " > " in line:
                (house / line.rpartition(" > ")[2].strip()).write_text(printed)


@needs_make
@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert set(named) <= targets


@needs_make
@pytest.mark.parametrize("page", ["own_videos", "penn_action", "objective", "encoder"])
def test_a_page_runs_from_beginning_to_end(page: str, house: Path) -> None:
    """Its files are written, its programs executed, and its trainings trained for an epoch of seconds."""
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    for block in blocks_of(f"docs/howto/{page}.md"):
        if block.title:
            write(block, house)
        elif block.language == "python":
            block.execute(names)
        elif block.language == "bash":
            for line in block.command_lines():
                run(line)
    if page != "penn_action":
        assert list(house.glob("runs/*/metrics.json"))
    forget(house)


def run(line: str) -> None:
    for call in lrprop_calls(line):
        if call[0] == "fit" and call[call.index("--trainer.devices") + 1] == "1" and "--data.root" in call:
            if "Penn_Action" in line and "METHOD" not in line:
                continue  # tests/test_cli.py trains these
            offline = ["--model.encoder.init_args.pixels.init_args.pretrained", "false"] * ("lrprop_timm" in line)
            assert main([*call, *SMALL, *offline]) == 0
        elif call[0] == "predict" or call[:2] == ["data", "inspect"]:
            assert main(call) == 0


def forget(house: Path) -> None:
    """Forgets the modules of a page, which are gone with its folder."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and str(getattr(module, "__file__", None) or "").startswith(str(house)):
            del sys.modules[name]


def still(path: Path, n: int) -> None:
    """A video of n frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.tile(np.arange(32, dtype=np.uint8)[:, None, None], (n, 1, 32, 3)), fps=10)


def test_the_labels_of_own_videos_are_read_as_the_page_tells(tmp_path: Path) -> None:
    for name, n in (("anna.mp4", 95), ("ben.mp4", 81), ("cleo.mp4", 4)):
        still(tmp_path / "clips" / name, n)
    for block in blocks_of("docs/howto/own_videos.md"):
        if block.language == "csv":
            write(block, tmp_path)
    anna, ben, cleo = read_folder(tmp_path / "clips")
    assert phase_names(tmp_path / "clips") == ["ready", "toss", "swing"]
    assert anna.labels is not None
    assert anna.labels[[0, 41, 42, 60, 61, 90, 91]].tolist() == [0, 0, 1, 1, 2, 2, -1]
    assert ben.labels is not None
    assert np.bincount(ben.labels).tolist() == [31, 22, 28]
    assert cleo.labels is not None
    assert cleo.labels.tolist() == [0, 0, 1, -1]


@needs_make
def test_a_new_source_as_the_page_tells(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a copy of the package that is changed as the page says, and so in a process of its own."""
    shutil.copytree(ROOT / "src/lrprop", house / "src/lrprop")  # with what Numba has compiled
    for name in "abc":
        still(house / f"path/to/dataset/raw/{name}.mp4", 12)
    calls = []
    for block in blocks_of("docs/howto/source.md"):
        if block.title:
            write(block, house)
        elif block.language == "python":
            block.execute({})
        else:
            calls += [call for line in block.command_lines() for call in lrprop_calls(line)]
    assert [call[0] for call in calls] == ["data", "data", "fit"]
    calls[2] += SMALL
    code = "import lrprop, sys, json\nfrom lrprop.cli import main\nprint(lrprop.__file__)\n"
    code += "for call in json.loads(sys.argv[1]): assert main(call) == 0"
    environment = os.environ | {"PYTHONPATH": str(house / "src"), "COLUMNS": "200"}
    command = [sys.executable, "-c", code, json.dumps(calls)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(house / "src/lrprop/__init__.py")
    assert "dataset: annotated" in done.stdout
    assert done.stdout.count("3 videos, no problems") == 2


def test_the_program_of_the_sweep_page_reads_a_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    board = tmp_path / "runs/sweeps/lrprop_lambdas/leaderboard.csv"
    board.parent.mkdir(parents=True)
    rows = [f"{run},finished,{0.5 + run / 100},{0.1 * run},{run % 3}" for run in range(1, 13)]
    board.write_text("\n".join(["run,state,tune/loose/dtw_accuracy,lambda_ppp,data.num_frames", *rows, ""]))
    for block in blocks_of("docs/howto/sweep.md"):
        if block.language == "python":
            block.execute({})
    assert (tmp_path / "sweep.png").is_file()
    assert (tmp_path / "importance.png").is_file()


def test_the_sweep_page_names_every_sweep() -> None:
    text = (DOCS / "howto/sweep.md").read_text(encoding="utf-8")
    for file in (ROOT / "experiments/sweeps").glob("*.yaml"):
        assert f"| `{file.stem}` |" in text


@needs_make
def test_the_sweep_of_the_sweep_page_trains(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [block for block in blocks_of("docs/howto/sweep.md") if block.title]
    write(block, house)
    sweep = read_sweep(house / block.title)
    drawn = {parameter.name: 0.25 for parameter in sweep.space}
    (_, fit) = calls_of_make(sweep.command_line(drawn)[2:])
    config = understood(fit, capsys)
    assert "temperature: 0.25\n" in config
    assert "variance: 0.25\n" in config
    assert "tune_fraction: 0.25\n" in config


def test_the_batch_file_of_the_cluster_page(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = [block for block in blocks_of("docs/howto/cluster.md") if block.title]
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    written = understood(lrprop_calls("make train ACTION=squat DATA=path/to/Penn_Action")[0], capsys)
    (house / "squat.yaml").write_text(written)
    (line,) = [line for line in block.command_lines() if line.startswith("srun ")]
    (call,) = lrprop_calls(line[line.index(".venv/bin/lrprop") :].replace('"${resume[@]}"', "--resume"))
    config = understood(call, capsys)
    for setting in ("devices: '4'", "num_nodes: 2", "sync_batchnorm: true", "resume: true", "name: squat"):
        assert f"{setting}\n" in config
    assert "#SBATCH --nodes=2\n" in block.text
    assert "#SBATCH --ntasks-per-node=4 " in block.text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s#]+)", text):
        if not target.startswith("https://"):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


class Tags(HTMLParser):
    """The tags of a page, what it loads, and the places in it that a link can lead to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.names, self.loads, self.places = set[str](), list[str](), set[str]()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        values = dict(attrs)
        self.places.add(values.get("id") or "")
        is_loaded = tag in {"script", "img", "iframe", "source"} or (tag == "link" and values.get("rel") != "canonical")
        if is_loaded and (address := values.get("src") or values.get("href")):
            self.loads.append(address)


def mkdocs(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", *map(str, arguments)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = mkdocs("--site-dir", folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_the_site_needs_no_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = Tags(page).loads
        assert loads
        assert not [address for address in loads if "//" in address], page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)[\"' ]*(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def public_names(package: str) -> Iterator[str]:
    """Each name that a package offers, where it is defined and where it is offered."""
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            yield f"{package}.{name} {value.__module__}.{name}"


@pytest.mark.parametrize(
    "package", ["alignment", "metrics", "metrics.functional", "objectives", "encoders", "data", "callbacks", "viz"]
)
def test_the_reference_has_every_public_name_and_nothing_private(site: Path, package: str) -> None:
    page = Tags(site / f"api/{package.partition('.')[0]}.html")
    for name in public_names(f"lrprop.{package}"):
        assert page.places & set(name.split()), f"{name} is missing"
    assert not [place for place in page.places if re.search(r"lrprop\..*\._", place)]


def test_docstrings_are_no_html(site: Path) -> None:
    """In a docstring <name> is a tag of a page, and not to be seen, unless it is set as code."""
    known = Tags(site / "howto/own_videos.html").names | {"b", "h3", "h4", "small"}
    for page in (site / "api").glob("*.html"):
        assert not Tags(page).names - known, page


def test_a_broken_link_fails_and_a_page_outside_the_navigation(tmp_path: Path) -> None:
    (tmp_path / "mkdocs.yml").write_text(f"INHERIT: {ROOT}/mkdocs.yml\nnav: [index.md]\nplugins: [search]\n")
    (tmp_path / "docs").mkdir()
    shutil.copy(DOCS / "wide.css", tmp_path / "docs")
    for text, is_sound in (("# A\n\n[here](#a)\n", True), ("# A\n\n[b](#b)\n", False), ("# A\n\n[b](b.md)\n", False)):
        (tmp_path / "docs/index.md").write_text(text)
        built = mkdocs("--site-dir", tmp_path / "site", folder=tmp_path)
        assert (built.returncode == 0) == is_sound, built.stdout + built.stderr
    (tmp_path / "docs/index.md").write_text("# A\n")
    (tmp_path / "docs/b.md").write_text("# B\n")
    built = mkdocs("--site-dir", tmp_path / "site", folder=tmp_path)
    assert built.returncode
    assert "b.md" in built.stdout + built.stderr
