"""Stands for `lrprop fit` in sweeps that are tested: the same arguments and files, and no training."""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path

options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if "=" in word)
resume = "--resume" in sys.argv
folder = Path(options["runs"]) / options["name"]
assert resume == folder.exists()
(folder / "checkpoints").mkdir(parents=True, exist_ok=True)
(folder / "pid").write_text(str(os.getpid()))
with (folder.parent / "starts.txt").open("a") as stream:
    print(folder.name, "resumed" if resume else "fresh", file=stream)
if options.get("y") == "fails":
    print("error: y is bad", file=sys.stderr)
    sys.exit(2)
x, file = float(options.get("x", 0)), folder / "metrics.csv"
rows = list(csv.DictReader(file.open())) if file.is_file() else []
for epoch in range(len(rows), int(options.get("epochs", 3))):
    rows.append({"step": str(epoch), "tune/score": str(1 - (x - 0.3) ** 2 - 0.5**epoch)})
    with file.with_suffix(".partial").open("w") as stream:
        writer = csv.DictWriter(stream, ["step", "tune/score"])
        writer.writeheader()
        writer.writerows(rows)
    file.with_suffix(".partial").replace(file)
    (folder / "checkpoints/last.ckpt").touch()
    time.sleep(float(options.get("sleep", 0)))
