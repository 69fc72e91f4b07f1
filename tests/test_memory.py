"""Freed memory stays with a process that asked for it."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# What glibc's mallinfo2 tells first and fifth: bytes of the heap, and bytes in blocks mapped one by one.
LARGE_TENSORS = """
import ctypes, sys
import torch
from lrprop.memory import keep_freed_memory

class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("heap", "a", "b", "c", "mapped", "d", "e", "f", "g", "h")]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Told
if sys.argv[1] == "keep":
    keep_freed_memory()
before = mallinfo()
tensors = [torch.ones(4 << 20) for _ in range(8)]  # 16 MiB each
during = mallinfo()
del tensors
after = mallinfo()
print(during.mapped - before.mapped >> 20, during.heap - before.heap >> 20, after.heap - before.heap >> 20)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
@pytest.mark.parametrize("word", ["keep", "give back"])
def test_freed_tensors_stay_on_the_heap(word: str) -> None:
    command = [sys.executable, "-c", LARGE_TENSORS, word]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    mapped, taken, left = map(int, told.split())
    if word == "keep":
        assert (mapped, taken >= 120, left) == (0, True, taken)
    else:
        assert mapped >= 120, "what the test is about"
