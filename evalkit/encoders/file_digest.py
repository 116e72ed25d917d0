"""SHA-256 of files, computed once a process while a file's size and time stay the same."""

from __future__ import annotations

import functools
from pathlib import Path

from evalkit.runtime.file_digest import file_digest


def sha256(path: Path) -> str:
    """Hex SHA-256 of the content of a file."""
    stat = path.stat()
    return _sha256(path.resolve(), (stat.st_size, stat.st_mtime_ns))


@functools.cache
def _sha256(path: Path, version: tuple[int, int]) -> str:
    """Digest of `path`; its size and time tell a changed file from the one that was read."""
    del version
    return file_digest(path)
