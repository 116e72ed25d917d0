"""A finished run in a folder, a store that is copied instead of migrated, and a real server."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evalkit.records import write_record
from evalkit.tracking import mlflow_store, reachability
from evalkit.types import Record, Score

WORDS = ("zebra", "kangaroo", "elephant", "mango", "pineapple", "cricket")


def make_record(identity: str = "ab" * 32, **changes) -> Record:
    fields = {
        "identity": identity,
        "evalkit_version": "0.1.0",
        "settings": {
            "model": {"name": "BAAI/bge-base-en-v1.5", "revision": None, "trust_remote_code": False},
            "model_label": "bge", "pooling": "native", "seed": 3, "k": [1, 5], "store": ".evalkit", "reuse": True,
            "dataset": {"name": "topics", "path": "http://anna:geheim@host/topics.csv"},
            "projection": {"name": "tsne", "_target_": "evalkit.projections.tsne.project", "perplexity": 5},
            "evaluators": {"neighbours": {"space": "embedding", "_target_": "evalkit.metrics.neighbours.evaluate"}},
            "tracker": {"name": "mlflow", "uri": None},
            "queries": ["zebra crossing", "mango chutney"], "rank_by": "neighbours/precision_at_1",
        },
        "corpus": {"name": "topics", "fingerprint": "f" * 64, "texts": 30, "labels": 5, "dropped": {"duplicates": 0}},
        "encoder": {
            "name": "BAAI/bge-base-en-v1.5", "revision": "a5beb1e", "pooling": "cls", "native_pooling": "cls",
            "dimension": 768, "truncated_share": 0.0, "texts_per_second": 812.5, "key": "0" * 64,
        },
        "projection": {"name": "tsne", "seed": 3, "parameters": {"perplexity": 5}},
        "scores": (
            Score("neighbours/precision_at_1", "embedding", 0.9, 1.0, 0.17, 0.88, 0.001, 0.8, 1.0),
            Score("separation/davies_bouldin", "embedding", 1.2, 0.0, 3.5, 0.66, 0.001, higher_is_better=False),
            Score("hulls/overlap", "map", None),
        ),
        "queries": (
            {"query": "zebra crossing", "neighbours": [{"text": "zebra", "label": "animals", "similarity": 0.9}]},
        ),
        "timings": {"encode": 0.5, "project": 1.5},
        "environment": {"git_commit": "c" * 40, "git_dirty": False},
        "warnings": ("2 texts such as 'kangaroo' were cut.",),
    }  # fmt: skip
    return Record(**{**fields, **changes})


def fill_folder(folder: Path, record: Record) -> Path:
    """What a run leaves: every file that holds texts holds one of WORDS."""
    folder.mkdir(parents=True, exist_ok=True)
    holding = ("texts.parquet", "neighbours.csv", "neighbours.png", "map.png", "map.svg")
    for name in holding:
        (folder / name).write_text(f"{name} zebra kangaroo elephant", encoding="utf-8")
    for name in ("labels.csv", "confusion.csv", "confusion.png"):
        (folder / name).write_text("label,size\nanimals,6\n", encoding="utf-8")
    (folder / "pairs.csv").write_text(
        "label_a,label_b,intersection,iou,accuracy,chance,ci_low,ci_high\n"
        "animals,sports,0.5,0.25,0.91,0.5,0.8,1.0\nfruits,sports,0.1,0.05,0.95,0.5,0.9,1.0\n",
        encoding="utf-8",
    )
    (folder / "run.log").write_text("zebra", encoding="utf-8")
    (folder / ".hydra").mkdir(exist_ok=True)
    (folder / ".hydra" / "config.yaml").write_text("tracker:\n  log_texts: true\n", encoding="utf-8")
    write_record(record, folder)
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return fill_folder(tmp_path / "outputs" / "run", make_record())


@pytest.fixture(scope="session")
def template_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty sqlite store: its migration costs over a second, a copy nothing."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    mlflow_store.prepare_environment()
    with warnings.catch_warnings(), mlflow_store.exclusive(path):
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of what MLflow's own models use
        mlflow_store.ensure_sqlite(path)
    return path


@pytest.fixture
def store(template_store: Path, tmp_path: Path) -> str:
    """Tracking address of a store of its own."""
    (tmp_path / "tracking").mkdir()
    shutil.copyfile(template_store, tmp_path / "tracking" / "mlflow.db")
    return f"sqlite:///{tmp_path / 'tracking' / 'mlflow.db'}"


@pytest.fixture
def plain_tracking(template_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    reachability._known.clear()
    yield
    reachability._known.clear()


@pytest.fixture
def ended() -> dict[str, str]:
    """Tags of a process that has come and gone."""
    code = "import json; from evalkit.tracking.process_liveness import process_tags; print(json.dumps(process_tags()))"
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client_of(uri):
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


def runs_in(uri, experiment="evalkit", view=1):
    client = client_of(uri)
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else list(client.search_runs([found.experiment_id], run_view_type=view))


class Server:
    """A real `mlflow server` on loopback."""

    def __init__(self, store: str, folder: Path) -> None:
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", store, "--artifacts-destination", str(folder / "served"), "--serve-artifacts",
        ]  # fmt: skip
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
        environment.pop("PYTEST_CURRENT_TEST", None)
        with (folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder, start_new_session=True
            )

    def wait(self) -> bool:
        """Whether it answers within two minutes."""
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        return False

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Starts `mlflow server` on a store; ended after the test."""
    started: list[Server] = []

    def start(store: str) -> Server:
        started.append(Server(store, tmp_path))
        assert started[-1].wait(), (tmp_path / "server.log").read_text()[-2000:]
        return started[-1]

    yield start
    for server in started:
        server.kill()


@contextlib.contextmanager
def hanging_server():
    """Takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def answering_server(answer):
    """Answers each request by `answer(path)`: (status, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def refusing_server(status=401):
    """Answers that it lives, and refuses the credentials in its address, whose password is geheim."""
    with answering_server(lambda path: (200, b"OK") if path == "/health" else (status, b"no")) as uri:
        yield uri.replace("://", "://anna:geheim@")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB; needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # clients of the tests keep connections


@pytest.fixture
def disk_store(small_disk, template_store):
    """Tracking address of a store on the small disk."""
    shutil.copyfile(template_store, small_disk / "mlflow.db")
    return f"sqlite:///{small_disk / 'mlflow.db'}"


def fill_disk(disk, free):
    """Fill a disk but for `free` bytes, until its file `ballast` is removed."""
    with (disk / "ballast").open("wb") as ballast, contextlib.suppress(OSError):
        ballast.write(b"x" * (shutil.disk_usage(disk).free - free))


LOG = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tracker_fixtures import make_record
from evalkit.tracking import LoggedRun, RunContext
from evalkit.tracking.mlflow_tracker import MlflowTracker
folder, uri, identities = Path(sys.argv[2]), sys.argv[3], sys.argv[4].split(",")
tracker = MlflowTracker(uri)
print("ready", flush=True)
sys.stdin.readline()
for identity in identities:
    logged = tracker.log_run(make_record(identity), folder, RunContext(sweep="5ee9"))
    assert isinstance(logged, LoggedRun), logged
    print(identity, logged.run_id, logged.new, flush=True)
"""


def writer(uri: str, run_folder: Path, identities: list[str]) -> subprocess.Popen[str]:
    """A process that, told to go, logs the identities and prints a line for each: identity, id, new."""
    command = [sys.executable, "-W", "ignore", "-c", LOG, str(Path(__file__).parent), str(run_folder), uri]
    return subprocess.Popen([*command, ",".join(identities)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start_writers(uri: str, run_folder: Path, work: list[list[str]]) -> list[list[str]]:
    """Let a writer for each part of the work log its identities, all at once; their lines."""
    processes = [writer(uri, run_folder, part) for part in work]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [line.split() for output in outputs for line in output.splitlines()]
