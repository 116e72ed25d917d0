"""Write a file or folder whole or not at all: under a temporary name beside its place, then renamed."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PENDING = re.compile(r"\.[0-9a-f]{32}(\.(?P<name>.+))?")
"""Temporary names that `atomic_write` and `temporary_folder` give."""


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it when the block ends; after an error nothing remains.

    `durable` forces the content to the disk before, so that a crash of the machine cannot leave an empty file.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        yield temporary
        if durable:
            flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder in `parent`, removed when the block ends unless it was renamed by then."""
    folder = parent / f".{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_pending(folder: Path, name: str = "") -> None:
    """Remove what a killed process had begun to write in `folder`: of files whose name begins so, or all of it."""
    for left in folder.iterdir():
        match = PENDING.fullmatch(left.name)
        if match is None or not (match["name"] or "").startswith(name):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Force a file's content, or a folder's list of names, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders, and has nothing to flush there
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
