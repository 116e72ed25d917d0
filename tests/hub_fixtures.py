"""Fixtures: a local model hub with the five named models, small and generated, at their pinned commits."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import checkpoints as generated
from hub.hub_server import HubServer

FOREIGN = (
    "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
    "HF_DATASETS_OFFLINE",
)  # fmt: skip


@pytest.fixture(scope="session")
def hub_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Short name → folder of a small generated checkpoint with the true one's files."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: generated.build(name, root / name, seed=number) for number, name in enumerate(generated.MODELS)}


@pytest.fixture
def hub(hub_checkpoints: dict[str, Path]) -> Iterator[HubServer]:
    """A running hub that has the five models; set ``hub.fault`` to make it fail."""
    models = {(model.repo, model.commit): hub_checkpoints[name] for name, model in generated.MODELS.items()}
    server = HubServer(models).start()
    yield server
    server.stop()


@pytest.fixture
def hub_environment(hub: HubServer, tmp_path: Path) -> dict[str, str]:
    """Environment for a subprocess: this process's, with the local hub and an empty cache."""
    kept = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    return {
        **kept,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "huggingface"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


@pytest.fixture
def hub_client(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The hub, with this process's own huggingface_hub pointed at it and at an empty cache."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    from evalkit.encoders import checkpoint_locator

    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "huggingface" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    checkpoint_locator._find_on_hub.cache_clear()
    close_session()
    return hub
