"""What a command inherits from its user: a plotting backend, no home folder, files that hide modules."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["hiding_file", "named_if_hidden", "settle"]


def settle() -> None:
    """Draw pictures without a screen, and give a user without a home folder (``docker -u``) one below this folder."""
    os.environ["MPLBACKEND"] = "agg"  # Jupyter leaves its own, which matplotlib refuses where it is not installed
    try:
        Path.home()
    except RuntimeError:  # libraries would raise too, or make a folder called "~"
        os.environ["HOME"] = str(Path(".evalkit").absolute())


def hiding_file() -> Path | None:
    """The first file of the working folder that was imported in place of a module of Python's or of a package."""
    here = Path.cwd()
    elsewhere = [entry for entry in sys.path if Path(entry).absolute() != here]
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "/")
        file = file.parent if file.name == "__init__.py" else file
        if file.parent == here and (name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere)):
            return file
    return None


@contextmanager
def named_if_hidden() -> Iterator[None]:
    """End with a sentence and status 2 where libraries cannot be imported because a file of the user's hides one."""
    try:
        yield
    except (ImportError, AttributeError):
        file = hiding_file()
        if file is None:
            raise
        sys.stderr.write(f"evalkit: {hidden(file)}\n")
        sys.exit(2)


def hidden(file: Path) -> str:
    """What to say of a file that hides a module."""
    return f"{file} hides the module {file.stem!r}, which the libraries need: rename it, or start in another folder."
