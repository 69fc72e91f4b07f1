"""Names from foreign files that are to name files here."""

from __future__ import annotations

_LONGEST = 200  # bytes: file systems take 255, and a suffix or a prefix is still to come


def is_file_name(name: str) -> bool:
    """Whether a file may have this name: short and printable, not hidden, and not leading out of its folder.

    A name with U+FFFD, which stands for bytes that are no text, is refused too.
    """
    safe = name.isprintable() and not set(name) & set("/\\\ufffd") and not name.startswith(".")
    return safe and 0 < len(name.encode()) <= _LONGEST
