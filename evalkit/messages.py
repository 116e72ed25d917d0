"""Other libraries' refusals in one sentence: what is wrong, what was found, what to do."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from evalkit.launchers import SCHEMAS, needs

__all__ = ["is_about_the_command_line", "sentence"]

COMPOSERS = frozenset({"defaults_list.py", "config_loader_impl.py", "config_repository.py"})
"""Hydra's modules that do nothing but compose the configuration."""

SHOWN = 200
"""Characters of an error that is not Hydra's own."""


def is_about_the_command_line(error: BaseException) -> bool:
    """Whether the command line is at fault: Hydra's or OmegaConf's refusals, and what escapes from composing.

    A choice of a group that is a number (``tracker=0``) or too long for a file's name is a ValueError, TypeError
    or OSError from the depths of Hydra.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, HydraException | OmegaConfBaseException):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).name in COMPOSERS and "hydra" in frame.filename for frame in frames)


def sentence(error: BaseException) -> str:
    """Hydra's or OmegaConf's error as one line that ends in a cure.

    Their messages span lines: the complaint, the choices (one an indented line), the search path.
    """
    if isinstance(error, ValueError | TypeError | OSError) and not type(error).__module__.startswith(
        ("hydra", "omega")
    ):
        said = " ".join(str(error).split())
        shown = said if len(said) <= SHOWN else f"{said[:SHOWN]}…"
        return f"the command line makes no configuration ({shown}): correct it (`--cfg job` prints all options)."
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    lines = [line.rstrip() for cause in (causes[0], causes[-1]) for line in str(cause).splitlines() if line.strip()]
    lines = list(dict.fromkeys(lines))
    choices = [
        line.strip() for line in lines if line.startswith("\t") and not line.strip().startswith(("provider", "["))
    ]
    first = lines[0].strip().rstrip(".") if lines else type(error).__name__
    absent = re.search(r"Could not (?:find|load) '([^']+/[^']+)'", " ".join(lines))
    if absent:
        group, _, choice = absent.group(1).rpartition("/")
        if group == f"hydra/{SCHEMAS}":
            return needs(choice)
        listed = f"choose one of {', '.join(choices)}" if choices else f"conf/{group} has none of that name"
        return f"{group} has no choice {choice!r}: {listed}."
    missing = re.search(r"Key '([^']+)' (?:is not in struct|not in '(\w+)')", " ".join(lines))
    if missing:
        full = re.search(r"full_key: (\S+)", " ".join(lines))
        key = full.group(1) if full else missing.group(1)
        return f"there is no option {key!r}: check its spelling (`--cfg job` prints all options)."
    wrong = re.search(
        r"Value '(.*?)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)", " ".join(lines)
    )
    if wrong:
        full = re.search(r"full_key: (\S+)", " ".join(lines)) or re.search(r"override ([\w.]+)=", first)
        where = full.group(1) if full else "an option"
        return f"{where} cannot be {wrong.group(1)!r}: give {_kind(wrong.group(2))}."
    details = [
        line.strip() for line in lines[1:] if line.strip() and not line.strip().startswith(("full_key", "object_type"))
    ]
    rest = f" ({'; '.join(details[:2])})" if details else ""
    return f"{first}{rest}: correct the command line (`--cfg job` prints all options)."


def _kind(name: str) -> str:
    return {
        "Integer": "a whole number",
        "bool": "true or false",
        "Float": "a number",
        "Boolean": "true or false",
        "Bool": "true or false",
        "String": "a text",
    }.get(name, f"a value of type {name}")
