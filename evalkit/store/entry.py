"""One entry of the store: its files, its manifest, and the check that both are as written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.atomic_write import flush
from evalkit.runtime.file_digest import file_digest
from evalkit.store.hashing import canonical, digest

FORMAT = 1
MANIFEST = "entry.json"

FLUSHED = 1 << 20
"""Bytes from which on an entry is forced to the disk. A small one that a crash of the machine tears is detected by its
checksums and made anew in less time than flushing all of a sweep's small entries takes (4 ms a file)."""


class FaultyEntryError(Exception):
    """An entry is not as it was written; the text says how."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A verified entry: the folder of its files, which must not be changed, and the meta data it was written with."""

    folder: Path
    meta: Mapping[str, Any]

    def array(self, name: str) -> NDArray[Any]:
        """Array of the file ``<name>.npy``, memory-mapped and read-only."""
        array: NDArray[Any] = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return array

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of the file ``arrays.npz``, in memory."""
        with np.load(self.folder / "arrays.npz", allow_pickle=False) as archive:
            return dict(archive)


def open_entry(folder: Path, kind: str, key: str) -> Entry | None:
    """The verified entry in `folder`, None where there is none; FaultyEntryError where it is not as it was written."""
    try:
        return Entry(folder, _verify(folder, kind, key))
    except FileNotFoundError:
        if folder.is_dir():
            raise FaultyEntryError("a file is missing") from None
        return None  # never written, or set aside by another process meanwhile
    except NotADirectoryError:
        raise FaultyEntryError("a file stands in place of its folder") from None


def seal(folder: Path, kind: str, key: str, meta: Mapping[str, Any]) -> bool:
    """Write the manifest of a filled folder, and force a large entry to the disk. Returns whether it was large."""
    sizes = _sizes(folder)
    if MANIFEST in sizes:
        raise ValueError(f"{MANIFEST} is the store's own file: call yours something else")
    files = {name: {"bytes": size, "sha256": file_digest(folder / name)} for name, size in sizes.items()}
    manifest = {"files": files, "format": FORMAT, "key": key, "kind": kind, "meta": dict(meta)}
    manifest["checksum"] = digest(manifest)
    (folder / MANIFEST).write_text(canonical(manifest), encoding="ascii")
    large = sum(sizes.values()) >= FLUSHED
    if large:
        for path in (*folder.iterdir(), folder):
            flush(path)
    return large


def _sizes(folder: Path) -> dict[str, int]:
    """Size of each file in the folder, by name."""
    sizes = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            raise FaultyEntryError(f"{path.name!r} is no plain file")
        sizes[path.name] = path.stat().st_size
    return sizes


def _verify(folder: Path, kind: str, key: str) -> dict[str, Any]:
    """Compare the files of `folder` with its manifest; returns the meta data."""
    sizes, manifest = _sizes(folder), _read_manifest(folder)
    if (manifest["format"], manifest["kind"], manifest["key"]) != (FORMAT, kind, key):
        raise FaultyEntryError(f"its manifest is that of {manifest['kind']} {str(manifest['key'])[:12]}")
    files = manifest["files"]
    for name in sorted({*sizes, *files} - {MANIFEST}):
        if name not in files:
            raise FaultyEntryError(f"the file {name!r} does not belong to it")
        if name not in sizes:
            raise FaultyEntryError(f"the file {name!r} is missing")
        if sizes[name] != files[name]["bytes"]:
            raise FaultyEntryError(f"{name!r} has {sizes[name]} bytes, and {files[name]['bytes']} were written")
        if file_digest(folder / name) != files[name]["sha256"]:
            raise FaultyEntryError(f"{name!r} does not have the checksum it was written with")
    meta: dict[str, Any] = manifest["meta"]
    return meta


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, compared with its own checksum."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        whole = manifest.pop("checksum") == digest(manifest)
    except FileNotFoundError:
        raise FaultyEntryError(f"{MANIFEST!r} is missing") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise FaultyEntryError(f"{MANIFEST!r} does not have the checksum it was written with")
    return manifest
