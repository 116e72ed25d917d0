"""Damaged files and odd options, for a stated time from a stated seed: one of our sentences must come out.

Good files suffer one to five mutations each and go through readers and corpus, or the precomputed encoder; options go
through Hydra's composition. A case passes if it is accepted, or refused in one sentence, within ten seconds.
"""

from __future__ import annotations

import csv
import io
import json
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SLOW_SECONDS = 10.0

HURTFUL = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b'"', b'""', b"'", b",", b";", b"\t", b"\r", b"\n", b"\r\n",
    b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"null", b"NaN", b"Infinity", b"-1", b"1e999", b"9" * 400,
    b"\xe2\x80\xa8", b"\x1a", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\x93NUMPY", b"text,label", b"=cmd", b"../",
    b"\xf0\x9f\x90\xbe", b"\xd7\x90",
)  # fmt: skip

WORDS = (
    "seed", "k", "model", "model.name", "model.path", "model.revision", "model.max_length", "model.truncate_dim",
    "pooling", "projection", "projection.project.perplexity", "evaluators", "dataset", "dataset.path", "dataset.limit",
    "device", "dataset.separator", "dataset.split_column", "dataset.conflicts", "dtype", "batch_tokens", "store",
    "queries", "theme", "rank_by", "reuse", "tracker", "tracker.uri", "tracker.log_texts", "model.prompt",
    "hydra.run.dir", "nonsense",
)  # fmt: skip
VALUES = (
    "", "null", "0", "-1", "1.5", "1e400", "nan", "true", "[]", "[0]", "[1,2]", "[a]", "{}", "{a: 1}", "../../up", "/",
    "/dev/null", ".", "a=b", "a b", "'a\\nb'", "'\\0'", "${seed}", "${oc.env:NONE}", "${nothing}", "🦓", "א", "tfidf",
    "random", "hf", "pca", "tsne", "csv", "topics", "[neighbours]", "[probe]", "mean", "cpu", "cuda:99", "float32",
    "sqlite:///x.db", "http://", "http://u:p@h", "file:///etc/passwd", "a" * 5000, "999999999999999999999",
)  # fmt: skip


def good_files() -> dict[str, bytes]:
    """One of each kind."""
    import pyarrow
    from pyarrow import parquet

    rows = [(f"text {number} é 🦓", f"label {number % 3}") for number in range(12)]
    table = io.StringIO()
    csv.writer(table).writerows([("text", "label"), *rows])
    lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
    columns = pyarrow.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    stored, vectors, lists = io.BytesIO(), io.BytesIO(), io.BytesIO()
    parquet.write_table(columns, stored)
    np.save(vectors, np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32))
    parquet.write_table(pyarrow.table({"v": [[1.0, 2.0]] * 12}), lists)
    return {
        "data.csv": table.getvalue().encode(),
        "data.jsonl": lines.encode(),
        "data.parquet": stored.getvalue(),
        "vectors.npy": vectors.getvalue(),
        "vectors.parquet": lists.getvalue(),
    }


def mutate(content: bytes, random: np.random.Generator) -> bytes:
    """One to five wounds."""
    hurt = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        place = int(random.integers(0, len(hurt) + 1))
        end = min(len(hurt), place + int(random.integers(1, 40)))
        kind = int(random.integers(0, 6))
        if kind == 0 and place < len(hurt):
            hurt[place] ^= 1 << int(random.integers(0, 8))
        elif kind == 1:
            hurt[place:end] = b""
        elif kind == 2:
            hurt[place:place] = hurt[place:end]
        elif kind == 3:
            hurt[place:place] = HURTFUL[int(random.integers(0, len(HURTFUL)))]
        elif kind == 4:
            hurt[place:end] = HURTFUL[int(random.integers(0, len(HURTFUL)))]
        elif kind == 5 and random.random() < 0.3:
            del hurt[place:]
    return bytes(hurt)


def read_file(path: Path) -> None:
    """What the command would do with the file before a model is loaded."""
    from evalkit.datasets import csv_reader as csv_file
    from evalkit.datasets import jsonl_reader as jsonl_file
    from evalkit.datasets import parquet_reader as parquet_file
    from evalkit.encoders.precomputed import PrecomputedEncoder

    if path.stem == "vectors":
        encoder = PrecomputedEncoder(path=str(path))
        encoder.identify("native")
        encoder.encode_rows(np.arange(12), 12)
        return
    loaders: dict[str, Callable[..., object]] = {
        ".csv": csv_file.load,
        ".jsonl": jsonl_file.load,
        ".parquet": parquet_file.load,
    }
    loaders[path.suffix](path=str(path), queries=None, sample_seed=0)


def read_options(overrides: list[str], folder: Path) -> None:
    """What the command does with its overrides before the corpus is read."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from evalkit.cli.run import conf_folder
    from evalkit.config import schema
    from evalkit.config.build import build

    schema.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides)
    build(config, projection_chosen=False)


def sentence_of(error: Exception, kind: str) -> str | None:
    """As the command would say it; None for what it did not expect."""
    from evalkit.cli.error_messages import is_about_the_command_line, sentence
    from evalkit.errors import EvalkitError

    if isinstance(error, EvalkitError):
        return str(error)
    return sentence(error) if kind == "options" and is_about_the_command_line(error) else None


@dataclass
class Tally:
    """What came of the cases."""

    cases: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)


def cases(random: np.random.Generator) -> Iterator[tuple[str, bytes | list[str]]]:
    """Kinds and contents, for ever: four files and then options, in turn."""
    good = good_files()
    while True:
        for name, content in good.items():
            for _ in range(4):
                yield name, mutate(content, random)
        words = [WORDS[i] for i in random.integers(0, len(WORDS), int(random.integers(1, 4)))]
        yield "options", [f"{word}={VALUES[int(random.integers(0, len(VALUES)))]}" for word in words]


def fuzz(folder: Path, seconds: float, random: np.random.Generator) -> Tally:
    """Try cases until the time is over; what is wrong is kept under the words that tell it from others."""
    tally = Tally()
    began = time.monotonic()
    for kind, content in cases(random):
        if time.monotonic() - began > seconds:
            break
        tally.cases[kind] += 1
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if isinstance(content, bytes):
                    (folder / kind).write_bytes(content)
                    read_file(folder / kind)
                else:
                    read_options(content, folder)
        except Exception as error:  # noqa: BLE001  # whatever comes out is what is looked for
            said = sentence_of(error, kind)
            if said is None:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(frame.filename).name}:{frame.lineno}"
                keep(tally, folder, f"{type(error).__name__} at {where}: {str(error)[:200]}", kind, content)
                continue
            tally.refused[kind] += 1
            if "\n" in said or not said.endswith((".", ")")):
                keep(tally, folder, f"no single sentence: {said[:300]!r}", kind, content)
        if time.monotonic() - start > SLOW_SECONDS:
            keep(tally, folder, f"took {time.monotonic() - start:.0f} s", kind, content)
    return tally


def keep(tally: Tally, folder: Path, what: str, kind: str, content: bytes | list[str]) -> None:
    """Remember the first case of its kind, and its content."""
    key = f"{kind}: {what}"
    short = key.split(": ", 2)[1]
    if any(known.split(": ", 2)[1] == short and known.startswith(kind) for known in tally.wrong):
        return
    tally.wrong[key] = " ".join(content) if isinstance(content, list) else f"finding-{len(tally.wrong)}-{kind}"
    if isinstance(content, bytes):
        (folder / tally.wrong[key]).write_bytes(content)
