from __future__ import annotations

from lrprop.alignment.compiled import kernel


def test_a_kernel_that_cannot_be_cached_is_compiled_all_the_same() -> None:
    names: dict[str, object] = {}
    exec("def doubled(number):\n    return 2 * number\n", names)  # no file, so nowhere to put a cache beside it
    doubled = kernel(names["doubled"])  # type: ignore[arg-type]
    assert doubled(21) == 42
