"""The command as a user types it, in this process (fast) or in one of its own (true)."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from evalkit.cli import run as run_module


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str
    folder: Path

    def succeeded(self) -> "Outcome":
        assert self.status == 0, self.err
        return self

    @property
    def runs(self) -> list[Path]:
        """Folders of finished runs, in order."""
        found = (file.parent for file in self.folder.rglob("record.json") if "v1" not in file.parts)
        return sorted(found, key=lambda path: [int(p) if p.isdigit() else -1 for p in path.parts])

    @property
    def tree(self) -> list[str]:
        """Every file and folder that the command left, relative."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests that do not ask for their own: what one has encoded, the next finds."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def evalkit(
    tmp_path: Path, shared_store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """`evalkit("-m", "seed=0,1")`: runs the command in an empty folder, in this process; no tracker unless asked."""
    folder = tmp_path / "work"
    folder.mkdir()

    def call(*arguments: str, tracked: bool = False) -> Outcome:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # the command sets it; deleted, it would stay set for later tests
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(sys, "argv", ["evalkit"])
        extra = [] if tracked or any(a.startswith("tracker") for a in arguments) else ["tracker=none"]
        extra += [] if any(a.startswith("store=") for a in arguments) else [f"store={shared_store}"]
        flags = [a for a in arguments if a.startswith("-")]
        rest = [a for a in arguments if not a.startswith("-")]
        capfd.readouterr()
        status = 0
        try:
            run_module.main([*flags, *rest, *extra])
        except SystemExit as error:
            status = int(error.code or 0)
        out, err = capfd.readouterr()
        return Outcome(status, out, err, folder)

    return call


@pytest.fixture
def evalkit_process(tmp_path: Path) -> Command:
    """The same in a process of its own: `evalkit_process("-m", …, environment={…})`."""
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)

    def call(*arguments: str, environment: dict[str, str] | None = None, module: str = "evalkit.run") -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={**(environment or os.environ), "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Outcome(done.returncode, done.stdout, done.stderr, folder)

    return call
