"""The store's folder: who may look, who may write, and what happens to faulty and abandoned entries."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from evalkit.errors import EvaluationError, RequestError
from evalkit.store.entry import FORMAT, Entry, FaultyEntryError, adopt, flush, forget, open_entry, seal
from evalkit.store.hashing import canonical

__all__ = ["Store"]

RESERVED = frozenset({"locks", "pending", "faulty"})
KIND = re.compile(r"[a-z][a-z0-9_]*\Z")
KEY = re.compile(r"[0-9a-f]{16,128}\Z")
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


Value = TypeVar("Value")


class Store:
    """Entries by kind (an identifier) and key (hexadecimal digits, see `digest`).

    Parameters
    ----------
    folder
        Made at the first write. A relative one counts from the current folder at the time of this call.

    Attributes
    ----------
    folder
        The absolute path.
    warnings
        Sentences about faulty entries that were set aside, for the record; whoever reads them may empty it.

    Raises
    ------
    RequestError
        Where `folder` is a file.
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

        A faulty one (flipped bit, truncated, foreign or missing file) is set aside, said in `warnings`, and
        answered with None, so that the caller makes it anew.

        Raises
        ------
        EvaluationError
            Where the entry is there and may not be read.
        """
        folder = self._place(kind, key)
        with self._explained("read"):
            try:
                return open_entry(folder, kind, key)
            except FaultyEntryError:
                return self._set_aside(folder, kind, key)

    def write(self, kind: str, key: str, fill: Callable[[Path], None], meta: Mapping[str, Any]) -> Entry:
        """Store an entry, whole or not at all. Where a valid one is there already, that one is kept.

        Parameters
        ----------
        fill
            Called with an empty folder; puts plain files there.
        meta
            JSON values to keep with it.

        Raises
        ------
        EvaluationError
            Where the folder cannot be written (no space, no permission); nothing of the entry remains.
        """
        text = canonical(meta)
        present = self.find(kind, key)
        if present is not None:
            return present
        with self._explained("written"), self._pending() as pending:
            fill(pending)
            flushed = seal(pending, kind, key, text)
            return self._publish(pending, kind, key, text, flushed=flushed)

    def obtain(
        self,
        kind: str,
        key: str,
        *,
        load: Callable[[Entry], Value],
        make: Callable[[], Value],
        keep: Callable[[Value], object],
    ) -> Value:
        """What is in the entry, or made and kept; processes that want the same wait for each other.

        Parameters
        ----------
        load
            Reads it from its entry.
        make
            Makes it.
        keep
            Writes what was made to the store.
        """
        entry = self.find(kind, key)
        if entry is None:
            with self.lock(kind, key):
                entry = self.find(kind, key)  # another process may have made it while this one waited
                if entry is None:
                    made = make()
                    keep(made)
                    return made
        return load(entry)

    @contextlib.contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold the work on one entry across threads and processes: find, else compute and write, then let go.

        Others who want the same entry wait here, and then find it. The holder's death lets go too.
        """
        self._place(kind, key)
        with self._explained("written"):
            lock = self._file_lock(kind, key)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _place(self, kind: str, key: str) -> Path:
        if not KIND.match(kind) or kind in RESERVED:
            raise ValueError(f"{kind!r} cannot be a kind: take an identifier in lower case that is not {RESERVED}")
        if not KEY.match(key):
            raise ValueError(f"{key!r} cannot be a key: take 16 to 128 hexadecimal digits in lower case")
        return self._root / kind / key[:2] / key

    def _file_lock(self, kind: str, name: str) -> FileLock:
        return FileLock(self._root / "locks" / kind / f"{name}.lock")  # which makes the folders

    def _publishing(self, kind: str, key: str) -> FileLock:
        """Held for an instant by whoever moves entries; 256 a kind, so that lock files do not pile up."""
        return self._file_lock(kind, f"publish-{key[:2]}")

    def _publish(self, pending: Path, kind: str, key: str, meta: str, *, flushed: bool) -> Entry:
        target, present = self._place(kind, key), None
        try:
            pending.rename(target)  # fails where anything is there but an empty folder
        except OSError:
            target.parent.mkdir(parents=True, exist_ok=True)  # mostly it is there
            present = self._make_way(pending, target, kind, key)
        if present is not None:  # another writer was faster, and its entry is as good
            return present
        if flushed:
            flush(target.parent)
        return adopt(target, meta)

    def _make_way(self, pending: Path, target: Path, kind: str, key: str) -> Entry | None:
        """Move the new entry to where something is already: to the valid one that is there, else in its place."""
        with self._publishing(kind, key):
            try:
                present = open_entry(target, kind, key)
            except FaultyEntryError as fault:
                self._move_aside(target, kind, key, fault)
                present = None
            if present is None:
                pending.rename(target)
            return present

    def _set_aside(self, folder: Path, kind: str, key: str) -> Entry | None:
        """Under the publishers' lock look again (another process may have re-made it), then move it away."""
        try:
            with self._publishing(kind, key):
                try:
                    return open_entry(folder, kind, key)
                except FaultyEntryError as fault:
                    self._move_aside(folder, kind, key, fault)
        except OSError as error:  # a store that may only be read: the entry is not used, and that is said
            self.warnings.append(
                f"the store's {kind} entry {folder} is faulty and could not be set aside ({error.strerror}), "
                "so it is not used: delete it."
            )
        return None

    def _move_aside(self, folder: Path, kind: str, key: str, fault: Exception) -> None:
        away = self._root / "faulty" / f"{kind}-{key}"
        away.parent.mkdir(parents=True, exist_ok=True)
        if away.is_dir():
            shutil.rmtree(away)
        folder.replace(away)
        forget(folder)
        self.warnings.append(
            f"the store's {kind} entry {key[:12]} was faulty ({fault}), so it was set aside as {away} and is made anew."
        )

    @contextlib.contextmanager
    def _pending(self) -> Iterator[Path]:
        """A new folder to fill. Its lock says that the writer lives, and ends with the writer's process."""
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
            # Held: its writer lives. Not writable: somebody else's store, who will clean it.
            with contextlib.suppress(Timeout, OSError), FileLock(guard, timeout=0):
                shutil.rmtree(pending / name, ignore_errors=True)
                guard.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Turn the system's refusals into sentences that name the folder and the cure."""
        try:
            yield
        except OSError as error:
            cause, cure = _cause_and_cure(error)
            raise EvaluationError(
                f"the store {self.folder} cannot be {done} ({cause}): {cure}, or name another folder with store=FOLDER."
            ) from error


def _cause_and_cure(error: OSError) -> tuple[str, str]:
    # numpy reports a full disk without an error number: "1000 requested and 12 written".
    if error.errno in NO_SPACE or (error.errno is None and "requested and" in str(error)):
        return "no space is left there", "free some"
    if error.errno in NO_PERMISSION:
        return f"no permission, {error.strerror}", "change its permissions"
    return str(error), "see to that"
