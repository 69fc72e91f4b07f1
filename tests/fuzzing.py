"""How thoroughly readers are fuzzed: `make test-long` sets a multiple."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("LRPROP_FUZZ_TIMES", "1"))
