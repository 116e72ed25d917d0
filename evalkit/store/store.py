"""The store's folder: finding, writing and locking entries, and what happens to faulty and abandoned ones."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from evalkit.errors import EvaluationError, RequestError
from evalkit.runtime.atomic_write import flush
from evalkit.store.entry import FORMAT, Entry, FaultyEntryError, open_entry, seal
from evalkit.store.hashing import canonical

RESERVED = frozenset({"locks", "pending", "faulty"})
KIND = re.compile(r"[a-z][a-z0-9_]*\Z")
KEY = re.compile(r"[0-9a-f]{16,128}\Z")
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

Made = TypeVar("Made")
Value = TypeVar("Value")


class Store:
    """Entries by kind (an identifier) and key (hexadecimal digits, see `digest`) in a folder made at the first write.

    ``warnings`` holds sentences about faulty entries that were set aside, for the record.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.warnings: list[str] = []
        self._root = self.folder / f"v{FORMAT}"
        if self.folder.exists() and not self.folder.is_dir():
            raise RequestError(f"store={folder} is a file, and the store needs a folder: name another.")
        self._remove_abandoned()

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry, verified against its checksums; None where there is none.

        A faulty one (flipped bit, truncated, foreign or missing file) is set aside, named in `warnings`, and counts as
        absent, so that the caller makes it anew.
        """
        folder = self._place(kind, key)
        with self._explained("read"):
            try:
                return open_entry(folder, kind, key)
            except FaultyEntryError:
                pass
            try:
                with self._publishing(kind, key):
                    return self._open_or_set_aside(folder, kind, key)
            except OSError as error:  # a store that may only be read
                self.warnings.append(
                    f"the store's {kind} entry {folder} is faulty and could not be set aside ({error.strerror}), "
                    "so it is not used: delete it."
                )
                return None

    def write(self, kind: str, key: str, fill: Callable[[Path], object], meta: Mapping[str, Any]) -> Entry:
        """Store an entry, completely or not at all; where a valid one is there already, that one is kept.

        `fill` is called with an empty folder and puts plain files there; `meta` holds JSON values.
        """
        stored_meta = json.loads(canonical(meta))
        present, target = self.find(kind, key), self._place(kind, key)
        if present is not None:
            return present
        with self._explained("written"), self._pending() as pending:
            fill(pending)
            large = seal(pending, kind, key, stored_meta)
            with self._publishing(kind, key):
                present = self._open_or_set_aside(target, kind, key)
                if present is not None:  # another writer was faster
                    return present
                target.parent.mkdir(parents=True, exist_ok=True)
                pending.rename(target)
            if large:
                flush(target.parent)
        return Entry(target, stored_meta)

    def obtain(
        self,
        kind: str,
        key: str,
        *,
        make: Callable[[], Made],
        keep: Callable[[Made], Entry],
        load: Callable[[Entry], Value],
        lock: str | None = None,
    ) -> Value:
        """The value of an entry, made and kept where there is none; processes that want it wait for each other.

        `make` computes the value, `keep` writes it, and `load` reads it: what is returned is always read, so it does
        not matter who computed it. `lock` is the key to lock where several entries are made together.
        """
        entry = self.find(kind, key)
        if entry is None:
            with self.lock(kind, lock or key):
                entry = self.find(kind, key)  # another process may have made it while this one waited
                if entry is None:
                    entry = keep(make())
        return load(entry)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold the work on one entry: other threads and processes that want it wait here, and then find it."""
        self._place(kind, key)
        with contextlib.ExitStack() as held:
            with self._explained("written"):
                held.enter_context(self._file_lock(kind, key))
            yield

    def _place(self, kind: str, key: str) -> Path:
        if not KIND.match(kind) or kind in RESERVED:
            raise ValueError(f"{kind!r} cannot be a kind: take an identifier in lower case that is not {RESERVED}")
        if not KEY.match(key):
            raise ValueError(f"{key!r} cannot be a key: take 16 to 128 hexadecimal digits in lower case")
        return self._root / kind / key[:2] / key

    def _file_lock(self, kind: str, name: str) -> FileLock:
        return FileLock(self._root / "locks" / kind / f"{name}.lock")  # which makes the folders

    def _publishing(self, kind: str, key: str) -> FileLock:
        """Held while entries are moved; 256 a kind, so that lock files do not pile up."""
        return self._file_lock(kind, f"publish-{key[:2]}")

    def _open_or_set_aside(self, folder: Path, kind: str, key: str) -> Entry | None:
        """Under the publishers' lock: the entry, or None after a faulty one was moved away."""
        try:
            return open_entry(folder, kind, key)
        except FaultyEntryError as fault:
            away = self._root / "faulty" / f"{kind}-{key}"
            away.parent.mkdir(parents=True, exist_ok=True)
            if away.is_dir():
                shutil.rmtree(away)
            away.unlink(missing_ok=True)
            folder.replace(away)
            self.warnings.append(
                f"the store's {kind} entry {key[:12]} was faulty ({fault}), so it was set aside as {away} "
                "and is made anew."
            )
            return None

    @contextlib.contextmanager
    def _pending(self) -> Iterator[Path]:
        """Yield a new folder to fill. Its lock shows that the writer is alive, and ends with the writer's process."""
        folder = self._root / "pending" / uuid.uuid4().hex
        guard = folder.with_suffix(".lock")
        with FileLock(guard):
            try:
                folder.mkdir()
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                guard.unlink(missing_ok=True)

    def _remove_abandoned(self) -> None:
        """Remove what killed writers left: folders whose lock nobody holds."""
        pending = self._root / "pending"
        if not pending.is_dir():
            return
        for name in sorted({path.stem for path in pending.iterdir()}):
            guard = pending / f"{name}.lock"
            # Held: its writer is alive. Not writable: another user's store, who will clean it.
            with contextlib.suppress(Timeout, OSError), FileLock(guard, timeout=0):
                shutil.rmtree(pending / name, ignore_errors=True)
                guard.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Turn the system's refusals into sentences that name the folder and the remedy."""
        try:
            yield
        except OSError as error:
            # numpy reports a full disk without an error number: "1000 requested and 12 written".
            if error.errno in NO_SPACE or (error.errno is None and "requested and" in str(error)):
                cause, remedy = "no space is left there", "free some"
            elif error.errno in NO_PERMISSION:
                cause, remedy = f"no permission, {error.strerror}", "change its permissions"
            else:
                cause, remedy = str(error), "see to that"
            raise EvaluationError(
                f"the store {self.folder} cannot be {done} ({cause}): {remedy}, or name another folder with "
                "store=FOLDER."
            ) from error
