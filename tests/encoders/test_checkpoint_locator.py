"""The hub as it is, as it refuses, and as it fails; and the cache that makes it dispensable."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub.checkpoints import MODELS, build, lay_in_cache
from hub.hub_server import Fault

from evalkit.encoders import checkpoint_files, checkpoint_locator
from evalkit.encoders import hub_client as hub
from evalkit.encoders.transformer import TransformerEncoder
from evalkit.errors import EvalkitError, EvaluationError, HubUnreachableError, RequestError

BGE = MODELS["bge"]
BERT = MODELS["bert"]
MINILM = MODELS["minilm"]


def load(name, revision, **options):
    encoder = TransformerEncoder(name, revision=revision, device="cpu", **options)
    encoder.encode(["mango"], ["native"], lambda _: None)


forget = checkpoint_locator._find_on_hub.cache_clear
"""As in a new process: what a name stands for is asked again."""


def cache_folder():
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def fails(kind, name=BGE.repo, revision=BGE.commit):
    with pytest.raises(EvalkitError) as caught:
        load(name, revision)
    assert isinstance(caught.value, kind)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


@pytest.mark.slow
def test_a_download_fetches_each_file_once_and_no_export(hub_client, tmp_path):
    folder = tmp_path / "with_exports"
    shutil.copytree(hub_client.models[BGE.repo, BGE.commit], folder)
    (folder / "onnx").mkdir()
    for unwanted in ("pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "onnx/config.json", "train.py.bak"):
        (folder / unwanted).write_bytes(b"never asked for")
    hub_client.models[BGE.repo, BGE.commit] = folder
    load(BGE.repo, BGE.commit)
    fetched = [path for method, path in hub_client.requests if method == "GET"]
    assert len(fetched) == len(set(fetched))
    assert sum(path.endswith("model.safetensors") for path in fetched) == 1
    assert not any(path.endswith((".bin", ".h5", ".onnx", ".bak", "onnx/config.json", "README.md")) for path in fetched)


@pytest.mark.parametrize("laid", [False, True], ids=["downloaded", "laid in the cache"])
@pytest.mark.parametrize("name", MODELS)
def test_a_pinned_model_in_the_cache_needs_no_network(name, laid, hub_client, hub_checkpoints):
    model = MODELS[name]
    if laid:
        lay_in_cache(hub_checkpoints[name], cache_folder(), model.repo, model.commit)
    else:
        load(model.repo, model.commit)
    hub_client.requests.clear()
    forget()
    load(model.repo, model.commit)
    assert hub_client.requests == []


def test_a_cache_of_the_bare_files_of_bert_serves_without_a_network(hub_client, hub_checkpoints, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(hub_checkpoints["bert"], bare, ignore=shutil.ignore_patterns("README.md", ".gitattributes"))
    lay_in_cache(bare, cache_folder(), BERT.repo, BERT.commit)
    hub_client.fault = Fault("status", status=503)
    load(BERT.repo, BERT.commit)
    assert hub_client.asked("safetensors") == 0


def test_what_transformers_cached_alone_does_not_hide_the_models_own_pooling(hub_client, hub_checkpoints, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(hub_checkpoints["bge"] / file, bare)
    lay_in_cache(bare, cache_folder(), BGE.repo, BGE.commit)
    encoder = TransformerEncoder(BGE.repo, revision=BGE.commit, device="cpu")
    assert encoder.identify("native").native_pooling == "cls"
    encoder.encode(["mango"], ["native"], lambda _: None)
    assert hub_client.asked("safetensors") == 0


@pytest.mark.fault("resuming", "a download cut off", "the hub sends half of a file")
def test_a_download_that_was_cut_off_is_finished(hub_client):
    TransformerEncoder(BGE.repo, revision=BGE.commit).identify("native")
    forget()
    hub_client.requests.clear()
    load(BGE.repo, BGE.commit)
    assert [path for method, path in hub_client.requests if method == "GET" and path.endswith("config.json")] == []
    assert hub_client.asked("safetensors") > 0


@pytest.mark.parametrize("revision", [None, "main"])
def test_a_branch_is_recorded_as_its_commit_and_asked_for_once_in_a_process(revision, hub_client):
    assert TransformerEncoder(BGE.repo, revision=revision).identify("native").revision == BGE.commit
    hub_client.requests.clear()
    assert TransformerEncoder(BGE.repo, revision=revision).identify("native").revision == BGE.commit
    assert hub_client.requests == []


def test_a_cached_branch_serves_when_the_hub_is_silent(hub_client):
    load(BGE.repo, "main")
    forget()
    hub_client.fault = Fault("status", status=503)
    assert TransformerEncoder(BGE.repo, revision="main").identify("native").revision == BGE.commit


def test_a_short_name_is_sought_among_sentence_transformers_models(hub_client):
    assert TransformerEncoder("all-mpnet-base-v2").identify("native").name == MODELS["mpnet"].repo


@pytest.mark.parametrize(
    ("name", "revision", "words"),
    [
        ("nobody/nothing", None, "does not exist on the hub"),
        (BGE.repo, "nowhere", "has no revision 'nowhere'"),
        (BGE.repo, "0" * 40, "has no revision"),
        (BERT.repo, BERT.commit, "is gated"),
    ],
)
def test_what_the_hub_refuses_is_said(name, revision, words, hub_client):
    hub_client.gated = frozenset({BERT.repo})
    assert words in fails(EvaluationError, name, revision)


def test_a_private_model_and_a_hub_in_trouble_are_said_and_asked_again(hub_client):
    for status in (401, 403):
        hub_client.fault = Fault("status", status=status)
        assert "or is private" in fails(EvaluationError)
    hub_client.fault = Fault("status", status=500)
    assert "answers with status 500" in fails(HubUnreachableError)
    hub_client.fault = None
    load(BGE.repo, BGE.commit)


@pytest.mark.fault("security", "weights in a pickle", "a hub model of pytorch_model.bin only")
def test_a_model_of_pickles_is_refused_before_it_is_downloaded(hub_client, tmp_path):
    folder = build("bert", tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub_client.models["owner/pickled", "a" * 40] = folder
    assert "a pickle that could run any code" in fails(EvaluationError, "owner/pickled", None)
    assert hub_client.asked("resolve") == 0


def test_a_repository_without_a_model_is_refused(hub_client, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("no model")
    hub_client.models["owner/other", "b" * 40] = tmp_path / "other"
    assert "is no model (neither config.json nor modules.json)" in fails(EvaluationError, "owner/other", None)


def test_a_checkpoint_in_shards_is_loaded(hub_client, tmp_path):
    folder = build("bge", tmp_path / "shards", max_shard_size="50KB")
    assert len(list(folder.glob("model-0*.safetensors"))) > 1
    hub_client.models["owner/shards", "c" * 40] = folder
    load("owner/shards", None)
    forget()
    hub_client.requests.clear()
    load("owner/shards", "c" * 40)
    assert hub_client.requests == []


@pytest.mark.parametrize("kind", ["truncate", "short", pytest.param("stall", marks=pytest.mark.slow)])
@pytest.mark.fault("resuming", "weights that do not arrive whole", "the hub cuts, shortens or stalls")
def test_weights_that_do_not_arrive_whole_are_said_in_time(kind, hub_client, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    hub_client.fault = Fault(kind, match=r"safetensors")
    started = time.monotonic()
    message = fails(EvaluationError)
    assert time.monotonic() - started < 15  # five retries of huggingface_hub, a second apart
    assert "cannot be reached" in message or "arrives damaged" in message


def test_a_hub_that_hangs_is_said_in_time(hub_client, monkeypatch):
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.5)
    hub_client.fault = Fault("hang")
    started = time.monotonic()
    message = fails(HubUnreachableError)
    assert time.monotonic() - started < 2
    for cure in ("hf download BAAI/bge-base-en-v1.5", "model=hf model.name=/path", "model=minilm"):
        assert cure in message
    hub_client.fault = None
    load(BGE.repo, BGE.commit)


def test_a_name_server_that_hangs_is_given_up(hub_client, monkeypatch):
    resolve = socket.getaddrinfo

    def hang(host, *arguments, **options):
        if "127.0.0.1" in str(host):
            time.sleep(3)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(hub, "DEADLINE_SECONDS", 0.3)
    assert "no answer" in fails(HubUnreachableError)


def test_no_server_at_all_is_said(hub_client, monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", f"http://user:secret@{address}")
    said = fails(HubUnreachableError)
    assert address in said
    assert "secret" not in said


def test_offline_mode_is_respected(hub_client, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in fails(HubUnreachableError)
    assert hub_client.requests == []


PROGRAM = """
import sys, time
from evalkit.encoders import hub_client
from evalkit.encoders.transformer import TransformerEncoder
hub_client.SMALL_FILES_SECONDS = 5.0
from evalkit.errors import EvalkitError
started = time.monotonic()
try:
    encoder = TransformerEncoder(sys.argv[1], revision=sys.argv[2], device="cpu")
    encoder.encode(["mango"], ["native"], lambda n: None)
    print("encoded")
except EvalkitError as error:
    print(type(error).__name__, error)
print(round(time.monotonic() - started, 1))
"""


def run(environment, repository, *, limit=None):
    def small_files_only():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, BGE.repo, BGE.commit],
        env={**environment, "PYTHONPATH": str(repository), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=120, check=True,
        preexec_fn=small_files_only if limit is not None else None,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_process_downloads_through_hf_endpoint(hub, hub_environment, repository):
    assert run(hub_environment, repository)[0] == "encoded"
    assert hub.asked("safetensors") > 0
    assert not any("telemetry" in path for _, path in hub.requests)
    hub.requests.clear()
    assert run({**hub_environment, "HF_HUB_OFFLINE": "1"}, repository)[0] == "encoded"
    assert hub.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("requests", [".*", "tree|resolve"])  # at once, or among the small files
@pytest.mark.fault("resuming", "a hub that hangs", "accepts and never answers")
def test_a_process_says_within_fifteen_seconds_that_the_hub_hangs(requests, hub, hub_environment, repository):
    hub.fault = Fault("hang", match=requests)
    said, seconds = run(hub_environment, repository)
    assert "cannot be reached" in said
    assert float(seconds) < 12


@pytest.mark.slow
def test_a_full_disk_is_said(hub, hub_environment, repository):
    said = run(hub_environment, repository, limit=50_000)[0]
    assert said.startswith("EvaluationError there is no space for BAAI/bge-base-en-v1.5 in ")


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = build("minilm", tmp_path / "site" / "own_package" / "model")
    (tmp_path / "site" / "own_package" / "__init__.py").write_text("raise RuntimeError('never imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    content = checkpoint_files.digest(folder)
    repo, commit = MINILM.repo, MINILM.commit
    return {"module": "own_package", "folder": "model", "name": repo, "revision": commit, "digest": content}


def test_an_installed_package_comes_before_the_hub(package, hub_client):
    load(MINILM.repo, MINILM.commit, package=package)
    assert hub_client.requests == []


def test_a_package_of_other_weights_cannot_pass(package):
    encoder = TransformerEncoder(package["name"], revision=package["revision"], package={**package, "digest": "0" * 64})
    with pytest.raises(EvaluationError, match="does not hold sentence-transformers/all-MiniLM-L6-v2"):
        encoder.identify("native")


@pytest.mark.parametrize(("revision", "module"), [("main", "own_package"), (MINILM.commit, "no_such")])
def test_another_revision_or_a_package_that_is_not_installed_leaves_the_hub(revision, module, package, hub_client):
    load(package["name"], revision, package={**package, "module": module})
    assert hub_client.asked("safetensors") > 0


def test_package_and_hub_are_one_identity(package, hub_client):
    packaged = TransformerEncoder(package["name"], revision=package["revision"], package=package)
    served = TransformerEncoder(package["name"], revision=package["revision"])
    assert packaged.identify("native") == served.identify("native")


def test_request_errors_are_not_for_the_hub():
    with pytest.raises(RequestError, match="neither a folder here nor a hub id"):
        TransformerEncoder("three/part/name")
