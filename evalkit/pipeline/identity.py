"""Fingerprints and digests that keys are made of, the identity of a run, and the environment it was made in.

Device, batch size, launcher, folders and tracker are not part of a run's identity; the seed always is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.runtime.file_digest import file_digest
from evalkit.store import digest
from evalkit.types import Codes, EncoderIdentity

VECTORS_FORMAT = 1

EVALUATING = (
    "datasets", "encoders", "metrics", "neighbours", "pipeline", "projections", "stats", "store", "runtime/compiled.py",
    "errors.py", "records.py", "types.py",
)  # fmt: skip
"""Packages and modules of evalkit whose source can change a score."""

LIBRARIES = (
    "evalkit", "faiss-cpu", "hydra-core", "mlflow", "numba", "numpy", "openTSNE", "scikit-learn", "scipy",
    "sentence-transformers", "shapely", "tokenizers", "torch", "transformers", "umap-learn",
)  # fmt: skip


def texts_fingerprint(texts: Iterable[str]) -> str:
    """Hex SHA-256 of texts in order; lengths are hashed too, so that no two lists run together."""
    state = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "little"))
        state.update(encoded)
    return state.hexdigest()


def labels_digest(labels: Codes, n_labels: int) -> str:
    """Hex SHA-256 of the label codes; the names of the labels do not matter to a score."""
    state = hashlib.sha256(n_labels.to_bytes(8, "little"))
    state.update(np.ascontiguousarray(labels, dtype=np.int32).tobytes())
    return state.hexdigest()


def rows_digest(rows: NDArray[np.int64]) -> str:
    """Hex SHA-256 of row numbers."""
    return hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()


def encoder_material(encoder: EncoderIdentity) -> dict[str, Any]:
    """Fields of an encoder's identity that determine the vectors of its texts, as JSON values."""
    fields = dataclasses.asdict(encoder)
    for name in ("native_pooling", "dimension", "parameters", "query_side"):
        del fields[name]
    return fields


def vectors_key(encoder: EncoderIdentity, texts: str, *, any_pooling: bool = False) -> str:
    """Store key of an encoder's vectors of `texts` (a fingerprint), or of those of all poolings, made together."""
    material = encoder_material(encoder)
    if any_pooling:
        return digest({"encoder": {**material, "pooling": None}, "texts": texts})
    return digest({"format": VECTORS_FORMAT, "encoder": material, "texts": texts})


@functools.lru_cache(maxsize=8)
def source_digest(sources: tuple[str, ...] = EVALUATING) -> str:
    """Hex SHA-256 of packages and modules of evalkit: a changed source may change a score, so it changes the keys."""
    root = Path(__file__).resolve().parent.parent
    state = hashlib.sha256()
    for source in sources:
        place = root / source
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            state.update(str(file.relative_to(root)).encode())
            state.update(file.read_bytes())
    return state.hexdigest()


@functools.lru_cache(maxsize=64)
def _foreign_digest(target: str) -> str | None:
    """Digest of the module of a `_target_` outside evalkit (a user's own score), None for evalkit's own."""
    if target.partition(".")[0] == "evalkit":
        return None
    for parts in range(target.count("."), 0, -1):
        name = ".".join(target.split(".")[:parts])
        try:
            file = getattr(importlib.import_module(name), "__file__", None)
        except ModuleNotFoundError:
            continue
        return file_digest(Path(file)) if file else None
    return None


def foreign_digests(described: Any) -> dict[str, str]:
    """Digests of the modules of every foreign `_target_` or dotted function named anywhere in `described`."""
    found: dict[str, str] = {}
    if isinstance(described, Mapping):
        for key, value in described.items():
            if key in {"_target_", "path"} and isinstance(value, str) and "." in value:
                known = _foreign_digest(value)
                if known is not None:
                    found[value] = known
            else:
                found.update(foreign_digests(value))
    return found


def _git() -> dict[str, Any]:
    """Commit of the repository around the run, and whether files differ from it; None where there is none."""

    def output(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()

    try:
        return {"git_commit": output("rev-parse", "HEAD"), "git_dirty": bool(output("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return {"git_commit": None, "git_dirty": None}


def _processor() -> str:
    with contextlib.suppress(OSError):  # not Linux: platform knows at least the architecture
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@functools.lru_cache(maxsize=1)
def environment() -> Mapping[str, Any]:
    """Machine, libraries and commit of this process: what may differ between two records of one identity."""
    libraries = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            libraries[name] = metadata.version(name)
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "libraries": libraries,
        **_git(),
    }
