from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import EvaluationError, RequestError
from evalkit.store import Entry, Store, digest

KEY = digest({"which": 1})
OTHER = digest({"which": 2})
VECTORS = np.arange(40, dtype=np.float32).reshape(10, 4)


def fill(folder: Path) -> None:
    np.save(folder / "vectors.npy", VECTORS)
    (folder / "words.txt").write_text("ä", encoding="utf-8")


def written(store: Store, key: str = KEY) -> Entry:
    return store.write("embedding", key, fill, {"truncated": 3, "seconds": 0.5})


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".lock")


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_was_written_is_found_by_a_new_store(tmp_path: Path) -> None:
    written(Store(tmp_path / "store"))
    store = Store(tmp_path / "store")
    entry = store.find("embedding", KEY)
    assert entry is not None
    np.testing.assert_array_equal(entry.array("vectors"), VECTORS)
    assert entry.array("vectors").dtype == np.float32
    assert entry.meta == {"truncated": 3, "seconds": 0.5}
    assert (entry.folder / "words.txt").read_text(encoding="utf-8") == "ä"
    assert isinstance(entry.array("vectors"), np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        entry.array("vectors")[0, 0] = 1
    assert store.warnings == []
    assert Store(tmp_path / "nowhere").find("embedding", KEY) is None
    assert not (tmp_path / "nowhere").exists()
    assert store.find("graph", KEY) is None
    assert store.find("embedding", OTHER) is None


@pytest.mark.fault("security", "a pickle in the store", "an array of Python objects")
def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    def fill_objects(folder: Path) -> None:
        np.save(folder / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)

    entry = Store(tmp_path).write("graph", KEY, fill_objects, {})
    with pytest.raises(ValueError, match="Python objects"):
        entry.array("objects")


def test_a_relative_folder_stays_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = Store("relative")
    monkeypatch.chdir(tmp_path / "elsewhere")
    written(store)
    assert (tmp_path / "relative").is_dir()
    assert store.find("embedding", KEY) is not None


BAD_KINDS = ("", "../up", "Embedding", "a b", "locks", "pending", "faulty", "a/b", "a\n")
BAD_KEYS = ("", "abc", "../" + "a" * 32, "A" * 64, "g" * 64, "a" * 129, "a" * 64 + "\n")


@pytest.mark.parametrize(("kind", "key"), [*((kind, KEY) for kind in BAD_KINDS), *(("graph", key) for key in BAD_KEYS)])
def test_a_kind_or_key_that_could_be_a_path_is_refused(tmp_path: Path, kind: str, key: str) -> None:
    store = Store(tmp_path)
    words = "cannot be a key" if kind == "graph" else "cannot be a kind"
    for use in (store.find, partial(store.write, fill=fill, meta={}), lambda *place: store.lock(*place).__enter__()):
        with pytest.raises(ValueError, match=words):
            use(kind, key)
    assert tree(tmp_path) == []


def test_a_file_where_the_store_should_be_is_a_wrong_request(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError, match=r"file is a file, and the store needs a folder: name another\.$"):
        Store(tmp_path / "file")


def test_meta_that_is_no_json_and_a_manifest_of_the_callers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"value\.where is a PosixPath"):
        Store(tmp_path).write("embedding", KEY, fill, {"where": tmp_path})
    assert tree(tmp_path) == []
    with pytest.raises(ValueError, match=r"entry\.json is the store's own file"):
        Store(tmp_path).write("record", KEY, lambda folder: (folder / "entry.json").touch(), {})
    assert Store(tmp_path).find("record", KEY) is None


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def replace_by_link(path: Path) -> None:
    target = path.parent.parent / "real"
    path.rename(target)
    path.symlink_to(target)


def change_meta(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["meta"]["truncated"] = 0
    path.write_text(json.dumps(manifest))


def swap_entry(path: Path) -> None:
    """Put another entry, itself whole, in this one's place."""
    store = Store(path.parents[4])
    other = written(store, OTHER)
    folder = path.parent
    folder.rename(folder.with_name("gone"))
    other.folder.rename(folder)


def replace_by_file(path: Path) -> None:
    folder = path.parent
    folder.rename(folder.with_name("gone"))
    folder.write_text("not a folder")


CHANGED = "does not have the checksum it was written with"
FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "flipped bit": ("vectors.npy", flip, CHANGED),
    "truncated": ("vectors.npy", lambda path: os.truncate(path, 287), "has 287 bytes, and 288 were written"),
    "emptied": ("words.txt", lambda path: path.write_bytes(b""), "'words.txt' has 0 bytes, and 2 were written"),
    "wrong shape": ("vectors.npy", lambda path: np.save(path, VECTORS.reshape(4, 10)), CHANGED),
    "deleted": ("vectors.npy", Path.unlink, "'vectors.npy' is missing"),
    "foreign file": ("extra.npy", lambda path: path.write_bytes(b"?"), "'extra.npy' does not belong to it"),
    "foreign folder": ("extra", Path.mkdir, "'extra' is no plain file"),
    "link": ("vectors.npy", replace_by_link, "'vectors.npy' is no plain file"),
    "no manifest": ("entry.json", Path.unlink, "'entry.json' is missing"),
    "flipped manifest": ("entry.json", flip, CHANGED),
    "truncated manifest": ("entry.json", lambda path: os.truncate(path, 100), CHANGED),
    "other meta": ("entry.json", change_meta, CHANGED),
    "manifest of nothing": ("entry.json", lambda path: path.write_text("[]"), CHANGED),
    "other entry": ("entry.json", swap_entry, "its manifest is that of embedding"),
    "file for folder": ("entry.json", replace_by_file, "a file stands in place of its folder"),
}


@pytest.mark.parametrize(("name", "make", "words"), FAULTS.values(), ids=FAULTS)
@pytest.mark.fault("store", "a faulty entry", "15 kinds: flipped, cut, reshaped, missing, foreign")
def test_a_faulty_entry_is_said_set_aside_and_made_anew(
    tmp_path: Path, name: str, make: Callable[[Path], object], words: str
) -> None:
    store = Store(tmp_path)
    folder = written(store).folder
    make(folder / name)
    assert store.find("embedding", KEY) is None
    (warning,) = store.warnings
    assert f"embedding entry {KEY[:12]} was faulty (" in warning
    assert words in warning
    assert (tmp_path / "v1" / "faulty" / f"embedding-{KEY}").exists()
    assert store.find("embedding", KEY) is None
    assert len(store.warnings) == 1
    np.testing.assert_array_equal(written(store).array("vectors"), VECTORS)
    assert Store(tmp_path).find("embedding", KEY) is not None


def test_a_second_fault_replaces_the_first_that_was_set_aside(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for make in (flip, replace_by_file, Path.unlink):
        make(written(store).folder / "vectors.npy")
        assert store.find("embedding", KEY) is None
    assert len(list((tmp_path / "v1" / "faulty").iterdir())) == 1
    assert len(store.warnings) == 3


@pytest.mark.parametrize(("floats", "forced"), [(1000, False), (400_000, True)])
def test_what_took_long_is_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, floats: int, forced: bool
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)

    zeros = np.zeros(floats, dtype=np.float32)
    Store(tmp_path / "store").write("embedding", KEY, lambda folder: np.save(folder / "vectors.npy", zeros), {})
    # The array, the manifest, their folder, and the folder that it was renamed into.
    assert len(flushed) == (4 if forced else 0)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_a_failing_fill_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def fail(folder: Path) -> None:
        (folder / "half.npy").write_bytes(b"half")
        raise error

    with pytest.raises(error):
        Store(tmp_path).write("embedding", KEY, fail, {})
    assert tree(tmp_path) == ["v1", "v1/pending"]
    assert list((tmp_path / "v1" / "pending").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full, the disk that is always full, is Linux's")
@pytest.mark.fault("store", "no space left", "a write to /dev/full")
def test_a_full_disk_is_said_with_the_folder_and_the_cure(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        Store(tmp_path).write("embedding", KEY, lambda _: Path("/dev/full").write_bytes(b"x"), {})
    assert str(caught.value) == (
        f"the store {tmp_path} cannot be written (no space is left there): free some, "
        "or name another folder with store=FOLDER."
    )
    assert list((tmp_path / "v1" / "pending").iterdir()) == []


@pytest.mark.fault("store", "no space left", "RLIMIT_FSIZE of 100 kB")
def test_a_file_that_may_not_grow_further_is_no_space(tmp_path: Path) -> None:
    finished = run_script(
        """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from evalkit.errors import EvaluationError
        from evalkit.store import Store
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        for size in (10_000, 1_000_000):  # the second is more than may be written
            try:
                key, ones = f"{size:064x}", np.ones(size, "i1")
                Store(sys.argv[1]).write("embedding", key, lambda f: np.save(f / "v.npy", ones), {})
            except EvaluationError as error:
                print(error)
        """,
        tmp_path,
    )
    assert finished.stderr == ""
    assert finished.stdout.count("\n") == 1
    assert "cannot be written (no space is left there): free some, or name" in finished.stdout
    assert list((tmp_path / "v1" / "pending").iterdir()) == []
    assert Store(tmp_path).find("embedding", f"{10_000:064x}") is not None


UNPRIVILEGED = """
    import os, sys
    from pathlib import Path
    import numpy as np
    from evalkit.errors import EvaluationError
    from evalkit.store import Store, digest
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    store = Store(sys.argv[1])
    key = digest({"which": 1})
    try:
        found = store.find("embedding", key)
        print("found", found is not None, store.warnings)
        store.write("embedding", digest({"which": 2}), lambda f: np.save(f / "v.npy", np.ones(3)), {})
    except EvaluationError as error:
        print(error)
    try:
        with store.lock("embedding", digest({"which": 2})):
            print("locked")
    except EvaluationError as error:
        print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other accounts can reach: pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


WITHOUT_PERMISSION = pytest.mark.fault("store", "no permission", "a store without write permission, another user")
FAULTY_THERE = pytest.mark.fault("store", "no permission", "a faulty entry in such a store")


@pytest.mark.parametrize(
    "faulty", [pytest.param(False, marks=WITHOUT_PERMISSION), pytest.param(True, marks=FAULTY_THERE)]
)
def test_a_store_that_may_only_be_read_is_read_and_not_written(open_folder: Path, faulty: bool) -> None:
    store = Store(open_folder / "store")
    entry = written(store)
    if faulty:
        flip(entry.folder / "vectors.npy")
    for path in [*store.folder.rglob("*"), store.folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    said = run_script(UNPRIVILEGED, store.folder)
    assert said.stderr == ""
    found, refused, unlocked = said.stdout.splitlines()
    if faulty:
        assert found.startswith("found False [")
        assert "is faulty and could not be set aside (Permission denied), so it is not used: delete it." in found
    else:
        assert found == "found True []"
    expected = (
        f"the store {store.folder} cannot be written (no permission, Permission denied): change its permissions, "
        "or name another folder with store=FOLDER."
    )
    assert refused == unlocked == expected


@pytest.mark.fault("store", "no permission", "an entry without read permission, another user")
def test_an_entry_that_may_not_be_read_is_an_error_not_a_miss(open_folder: Path) -> None:
    store = Store(open_folder / "store")
    (written(store).folder / "vectors.npy").chmod(0)
    said = run_script(UNPRIVILEGED, store.folder).stdout.splitlines()[0]
    assert "cannot be read (no permission, Permission denied): change its permissions" in said


def test_what_is_obtained_is_made_once_and_always_read(tmp_path: Path) -> None:
    made: list[int] = []

    def obtain(store: Store) -> list[int]:
        return store.obtain(
            "embedding",
            KEY,
            make=lambda: made.append(1) or (1, 2),
            keep=lambda value: store.write("embedding", KEY, fill, {"value": value}),
            load=lambda entry: entry.meta["value"],
        )

    for store in (Store(tmp_path), Store(tmp_path), Store(tmp_path / "other")):
        assert obtain(store) == [1, 2]
    assert len(made) == 2


def test_a_lock_of_several_entries_is_held_while_one_is_made(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def make() -> None:
        file = tmp_path / "v1" / "locks" / "embedding" / f"{OTHER}.lock"
        with pytest.raises(Timeout), FileLock(file, timeout=0):
            pytest.fail("nobody holds the lock")

    store.obtain("embedding", KEY, make=make, keep=lambda _: written(store), load=lambda entry: entry, lock=OTHER)


def test_the_second_writer_keeps_the_first_ones_entry(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    calls: list[str] = []

    def fill_slowly(folder: Path) -> None:
        calls.append("outer")
        fill(folder)
        second.write("embedding", KEY, fill, {"writer": "inner"})  # another writer, in the middle of this one

    entry = first.write("embedding", KEY, fill_slowly, {"writer": "outer"})
    assert entry.meta == {"writer": "inner"}
    assert calls == ["outer"]
    again = first.write("embedding", KEY, fill_slowly, {"writer": "third"})
    assert again.meta == {"writer": "inner"}
    assert calls == ["outer"]
    assert list((tmp_path / "v1" / "pending").iterdir()) == []


def obtain_all(folder: Path, log: Path, keys: list[str]) -> None:
    store = Store(folder)

    def make(key: str) -> str:
        with log.open("a") as file:
            file.write(key + "\n")
        time.sleep(0.01)
        return key

    for key in keys:
        store.obtain("embedding", key, make=partial(make, key), keep=partial(written, store), load=lambda entry: entry)


@pytest.mark.fault("store", "several writers", "4 processes, 8 keys, under the store's lock")
def test_processes_that_lock_compute_each_entry_once(tmp_path: Path) -> None:
    keys = [digest({"which": number}) for number in range(8)]
    log = tmp_path / "log"
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(partial(obtain_all, tmp_path / "store", log), [keys] * 4, timeout=60))
    assert sorted(log.read_text().split()) == sorted(keys)


@pytest.mark.fault("store", "several writers", "6 writing threads and a reader without a lock")
def test_writers_and_readers_without_locks_never_see_half_an_entry(tmp_path: Path) -> None:
    done = threading.Event()

    def read() -> list[str]:
        store = Store(tmp_path)
        while not done.is_set():
            entry = store.find("embedding", KEY)
            assert entry is None or np.array_equal(entry.array("vectors"), VECTORS)
        return store.warnings

    with ThreadPoolExecutor(7) as pool:
        reader = pool.submit(read)
        try:
            list(pool.map(written, [Store(tmp_path) for _ in range(6)]))
        finally:
            done.set()
    assert reader.result() == []


HANGING = """
    import sys, time
    from pathlib import Path
    from evalkit.store import Store
    store = Store(sys.argv[1])
    def fill(folder):
        (folder / "half.npy").write_bytes(b"half")
        print("filling", flush=True)
        time.sleep(60)
    with store.lock("embedding", sys.argv[2]):
        store.write("embedding", sys.argv[2], fill, {})
"""


def hanging_writer(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(HANGING), str(folder), KEY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "filling\n"
    return process


@pytest.mark.fault("store", "a writer killed", "kill -9 while it fills an entry")
def test_what_a_killed_writer_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    with hanging_writer(tmp_path) as process:
        pending = tmp_path / "v1" / "pending"
        store = Store(tmp_path)
        assert len([path for path in pending.iterdir() if path.is_dir()]) == 1  # it lives: left alone
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert store.find("embedding", KEY) is None
    store = Store(tmp_path)
    assert list(pending.iterdir()) == []
    with pytest.raises(KeyError), store.lock("embedding", KEY):  # the dead do not hold it
        raise KeyError
    with store.lock("embedding", KEY):  # nor does work that failed
        assert written(store).meta["truncated"] == 3


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_the_order_of_keys_does_not_change_a_digest(mapping: dict[str, object]) -> None:
    assert digest(dict(reversed(list(mapping.items())))) == digest(mapping)
    assert digest({**mapping, "one more key": 0}) != digest(mapping)


def test_a_digest_is_the_sha256_of_canonical_json() -> None:
    # printf '{"a":[1,2.5,null,true],"b":"\\u00e4"}' | sha256sum
    expected = "a038e6e9a047debc3cd5c58c319020e0ebd0035d8934e70f4e18ce67ca6278a3"
    assert digest({"b": "ä", "a": (1, 2.5, None, True)}) == expected


@pytest.mark.parametrize(
    ("mapping", "error", "words"),
    [
        ({"a": float("nan")}, ValueError, "value.a is nan"),
        ({"a": [1, float("inf")]}, ValueError, r"value.a\[1\] is inf"),
        ({"a": {1: 2}}, TypeError, "value.a has the key 1"),
        ({"a": np.int64(1)}, TypeError, "value.a is a int64"),
        ({"a": Path("x")}, TypeError, "value.a is a PosixPath"),
        ({"a": {1, 2}}, TypeError, "value.a is a set"),
        ({"a": b"x"}, TypeError, "value.a is a bytes"),
    ],
)
def test_what_is_no_json_has_no_digest(mapping: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        digest(mapping)
