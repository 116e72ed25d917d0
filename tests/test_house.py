"""What holds the house together: floors, rooms, the wheel, and the files that must not stand in it."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "core"}


def tracked(repository: Path) -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True)
    return [repository / name for name in done.stdout.split("\0") if name and (repository / name).is_file()]


def test_no_room_is_called_after_nothing(repository):
    stems = {file.stem for file in (repository / "evalkit").rglob("*.py")} | {
        folder.name for folder in (repository / "evalkit").rglob("*") if folder.is_dir()
    }
    assert stems & FORBIDDEN_NAMES == set()


def test_nothing_is_pickled(repository):
    """Neither written nor read: numpy reads pickles unless told otherwise before 1.16.3, torch and joblib always."""
    files = [file for room in ("evalkit", "benchmarks", "experiments") for file in (repository / room).rglob("*.py")]
    assert len(files) > 100
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(import|from) (pickle|dill|cloudpickle|shelve|marshal)\b", text, re.MULTILINE), file
        assert not re.search(r"\b(torch\.load|torch\.save|joblib\.(load|dump)|read_pickle|to_pickle)\(", text), file
        for call in re.finditer(r"\b(?:np|numpy)\.(?:load|save|savez)\((.*)", text):
            assert "allow_pickle=False" in call.group(1), (file, call.group(0))


def test_servers_of_the_docs_listen_on_loopback(repository):
    """In every shell block: what starts a server names 127.0.0.1, so that nobody opens one by copying a line."""
    starts = re.compile(r"^.*\b(?:mlflow (?:ui|server)|ray start|http\.server|jupyter)\b.*$", re.MULTILINE)
    pages = [file.read_text(encoding="utf-8") for file in (repository / "README.md", *repository.glob("docs/**/*.md"))]
    blocks = [block for page in pages for block in re.findall(r"```(?:bash|sh|text)?\n(.*?)```", page, re.DOTALL)]
    lines = [line for block in blocks for line in starts.findall(block)]
    assert len(lines) >= 2
    assert [line for line in lines if "127.0.0.1" not in line] == []


PUBLIC_UNDERSCORES = {"os._exit"}
"""Documented names that begin with an underscore."""


def foreign_parts(file: Path) -> set[str]:
    """Private parts of dependencies that a module uses, and attributes of dependencies that it assigns to."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    foreign: dict[str, str] = {}
    parts: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            foreign.update({name.asname or name.name.split(".")[0]: name.name for name in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("evalkit"):
            foreign.update({name.asname or name.name: f"{node.module}.{name.name}" for name in node.names})
    ours = {"evalkit", *sys.stdlib_module_names}
    foreign = {name: path for name, path in foreign.items() if path.partition(".")[0] not in ours}
    parts |= {path for path in foreign.values() if any(part.startswith("_") for part in path.split("."))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"setattr", "delattr"}:
            parts.add(ast.unparse(node))
        if not isinstance(node, ast.Attribute):
            continue
        whole = ast.unparse(node)
        root = whole.partition(".")[0]
        private = re.fullmatch(r"_[a-z]\w*(?<!_)", node.attr) is not None
        if private and not re.fullmatch(r"(self|cls|super\(\))\._\w+", whole):
            parts.add(whole)
        if isinstance(node.ctx, ast.Store) and root in foreign:
            parts.add(f"{foreign[root]}{whole.removeprefix(root)} =")
    return parts - PUBLIC_UNDERSCORES


def test_no_private_or_patched_part_of_a_dependency_but_those_listed(repository):
    page = (repository / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([^`]+)` \|", page.partition("## Private and patched parts")[2], re.MULTILINE))
    used = {part for file in (repository / "evalkit").rglob("*.py") for part in foreign_parts(file)}
    assert used == listed


def test_private_and_patched_parts_are_recognised(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        "import faiss\nfrom hydra._internal import x\nfaiss.threads = 1\nfaiss.a._b()\nsetattr(faiss, 'c', 1)\n"
        "import os\nos._exit(1)\nclass A:\n    def f(self):\n        self._own = self._other\n",
        encoding="utf-8",
    )
    assert foreign_parts(file) == {"hydra._internal.x", "faiss.threads =", "faiss.a._b", "setattr(faiss, 'c', 1)"}


def test_one_spelling_of_neighbour_in_our_own_words(repository):
    # Other libraries' names, and a paper's title.
    foreign = re.compile(r"n_neighbors|nearest_neighbors|NearestNeighbors|PrecomputedNeighbors|minimal neighborhood")
    for file in (repository / "evalkit").rglob("*.py"):
        own = foreign.sub("", file.read_text(encoding="utf-8"))
        assert "neighbor" not in own.replace("neighbour", ""), file


def test_no_path_of_the_machine_it_was_made_on(repository):
    here = str(repository.parent) + "/"
    for file in tracked(repository):
        if file.suffix in {".py", ".md", ".yaml", ".toml", ".json", ".csv", ".lock"}:
            assert here not in file.read_text(encoding="utf-8"), file


def test_the_import_contract_is_kept_and_can_fail(repository, tmp_path):
    lint = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if lint is None:
        pytest.skip("import-linter is not installed")
    copy = tmp_path / "copy"
    shutil.copytree(repository / "evalkit", copy / "evalkit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(repository / "pyproject.toml", copy / "pyproject.toml")

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [lint, "--no-cache"], cwd=copy, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(copy)}
        )

    kept = check()
    assert kept.returncode == 0, kept.stdout + kept.stderr
    with (copy / "evalkit" / "neighbours.py").open("a", encoding="utf-8") as kernel:
        kernel.write("\nfrom evalkit import pipeline\n")
    assert check().returncode == 1


@pytest.mark.slow
def test_the_wheel_brings_conf_and_all_data_files(repository, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(repository)], check=True
    )
    (wheel,) = tmp_path.glob("evalkit-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for file in (repository / "conf").rglob("*.yaml"):
        assert f"evalkit/conf/{file.relative_to(repository / 'conf')}" in names
    for file in (repository / "evalkit").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".nbi":
            assert str(file.relative_to(repository)) in names or file.suffix in {".pyc", ".nbc"}, file
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    done = subprocess.run(
        [sys.executable, "-m", "evalkit.run", "--cfg", "job", "model=bge"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(site), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "BAAI/bge-base-en-v1.5" in done.stdout
