"""Checksum of a file."""

import functools
import hashlib
from pathlib import Path


def file_digest(path: Path) -> str:
    """Hex SHA-256 of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_digest(path: Path) -> str:
    """As `file_digest`, read once a process while the file's size and time stay the same."""
    stat = path.stat()
    return _known_digest(path.resolve(), (stat.st_size, stat.st_mtime_ns))


@functools.cache
def _known_digest(path: Path, version: tuple[int, int]) -> str:
    del version
    return file_digest(path)
