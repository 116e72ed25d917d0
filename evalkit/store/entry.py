"""One entry of the store: its files, its manifest, and whether both are what was written."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.store.hashing import canonical, digest

__all__ = ["FORMAT", "Entry", "FaultyEntryError", "adopt", "flush", "forget", "open_entry", "seal"]

FORMAT = 1
MANIFEST = "entry.json"
SETTLED_NS = 100_000_000
"""A file changed less than this long ago may change again within one tick of the file system's clock, so its
time stamp proves nothing yet: it is verified again the next time (git calls such files racy)."""

FLUSHED = 1 << 20
"""Bytes from which on an entry is forced to the disk. What a crash of the machine tears its checksums show, and a
small entry is made anew in less time than all the flushing of a sweep's small entries takes (4 ms a file)."""

Signature = tuple[tuple[str, int, int, int, int], ...]
"""(name, size, mtime_ns, ctime_ns, inode) of each file, by name."""

_verified: dict[Path, tuple[Signature, dict[str, Any]]] = {}
"""What this process has verified: the state of the files then, and the entry's meta data."""


class FaultyEntryError(Exception):
    """An entry is not what was written; the text says how."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A verified entry.

    Attributes
    ----------
    folder
        Where its files are; read them, never change them.
    meta
        What was handed to `Store.write`, as JSON gives it back.
    """

    folder: Path
    meta: Mapping[str, Any]

    def array(self, name: str) -> NDArray[Any]:
        """The array of the file `name` (``.npy`` may be left out), memory-mapped and read-only."""
        path = self.path(name if name.endswith(".npy") else f"{name}.npy")
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    def path(self, name: str) -> Path:
        """Path of the file `name`.

        Raises
        ------
        KeyError
            Where the entry has no such file.
        """
        path = self.folder / name
        if Path(name).name != name or not path.is_file():
            raise KeyError(f"the entry {self.folder.name} has no file {name!r}")
        return path


def open_entry(folder: Path, kind: str, key: str) -> Entry | None:
    """The entry in `folder`, verified; None where there is none.

    A file whose size, times and inode are those of an earlier verification in this process is not read again.

    Raises
    ------
    FaultyEntryError
        Where the entry is not what was written.
    """
    try:
        signature = _signature(folder)
        known = _verified.get(folder)
        if known is not None and known[0] == signature:
            return Entry(folder, copy.deepcopy(known[1]))
        meta = _verify(folder, kind, key, {name: size for name, size, *_ in signature})
    except FileNotFoundError:
        if folder.is_dir():
            raise FaultyEntryError("a file is missing") from None
        return None  # never there, or set aside by another process meanwhile
    except NotADirectoryError:
        raise FaultyEntryError("a file stands in place of its folder") from None
    _remember(folder, signature, meta)
    return Entry(folder, copy.deepcopy(meta))


def seal(folder: Path, kind: str, key: str, meta: str) -> bool:
    """Write the manifest of a filled folder; a large entry is flushed to the disk. Returns whether it was.

    Parameters
    ----------
    meta
        The meta data as `canonical` writes them.
    """
    signature = _signature(folder)
    if any(name == MANIFEST for name, *_ in signature):
        raise ValueError(f"{MANIFEST} is the store's own file: call yours something else")
    files = {name: {"bytes": size, "sha256": _checksum(folder / name)} for name, size, *_ in signature}
    # The canonical JSON of all this, with the meta data, most of it, written once.
    rest = f'"files":{canonical(files)},"format":{FORMAT},"key":"{key}","kind":"{kind}","meta":{meta}}}'
    checksum = hashlib.sha256(f"{{{rest}".encode("ascii")).hexdigest()
    (folder / MANIFEST).write_text(f'{{"checksum":"{checksum}",{rest}', encoding="ascii")
    if sum(size for _, size, *_ in signature) < FLUSHED:
        return False
    for name in (MANIFEST, *files):
        flush(folder / name)
    flush(folder)
    return True


def adopt(folder: Path, meta: str) -> Entry:
    """The entry just sealed and now in `folder`, whose checksums need no second look."""
    _remember(folder, _signature(folder), json.loads(meta))
    return Entry(folder, json.loads(meta))


def forget(folder: Path) -> None:
    """Verify the entry in `folder` anew at its next opening."""
    _verified.pop(folder, None)


def flush(path: Path) -> None:
    """Force a file's content, or a folder's list of names, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders, and has nothing to flush there
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _signature(folder: Path) -> Signature:
    with os.scandir(folder) as listing:
        files = sorted(listing, key=lambda file: file.name)
    for file in files:
        if not file.is_file(follow_symlinks=False):
            raise FaultyEntryError(f"{file.name!r} is no plain file")
    states = [(file.name, file.stat(follow_symlinks=False)) for file in files]
    return tuple((name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for name, s in states)


def _remember(folder: Path, signature: Signature, meta: dict[str, Any]) -> None:
    changed = max(max(written, status) for _, _, written, status, _ in signature)
    if time.time_ns() - changed > SETTLED_NS:
        _verified[folder] = (signature, meta)


def _verify(folder: Path, kind: str, key: str, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Compare everything in `folder` with its manifest; the entry's meta data."""
    manifest = _read_manifest(folder)
    if (manifest["format"], manifest["kind"], manifest["key"]) != (FORMAT, kind, key):
        raise FaultyEntryError(f"its manifest is that of {manifest['kind']} {str(manifest['key'])[:12]}")
    files = manifest["files"]
    strange = sorted(set(sizes) - set(files) - {MANIFEST})
    if strange:
        raise FaultyEntryError(f"the file {strange[0]!r} does not belong to it")
    for name, expected in files.items():
        if name not in sizes:
            raise FaultyEntryError(f"the file {name!r} is missing")
        if sizes[name] != expected["bytes"]:
            raise FaultyEntryError(f"{name!r} has {sizes[name]} bytes, and {expected['bytes']} were written")
    for name, expected in files.items():
        if _checksum(folder / name) != expected["sha256"]:
            raise FaultyEntryError(f"{name!r} does not have the checksum it was written with")
    meta: dict[str, Any] = manifest["meta"]
    return meta


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        rest = {name: value for name, value in manifest.items() if name != "checksum"}
        whole = manifest["checksum"] == digest(rest)
    except FileNotFoundError:
        raise FaultyEntryError(f"{MANIFEST!r} is missing") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise FaultyEntryError(f"{MANIFEST!r} does not have the checksum it was written with")
    return manifest


def _checksum(path: Path) -> str:
    """SHA-256, read in blocks: the fastest of hashlib's on processors that have instructions for it (1.7 GB/s)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
