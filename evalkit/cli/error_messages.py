"""Errors in one sentence: what is wrong, what was found, what to do."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.sweep_state import current
from evalkit.config.launchers import SCHEMAS, needs
from evalkit.errors import EvalkitError
from evalkit.report import terminal
from evalkit.runtime.redaction import mask

__all__ = ["explain", "is_about_the_command_line", "sentence"]

COMPOSERS = frozenset({"defaults_list.py", "config_loader_impl.py", "config_repository.py"})
"""Hydra's modules that only compose the configuration."""

SHOWN = 200
"""Characters of a value that a sentence repeats."""


def explain(error: Exception) -> int:
    """Print an error as one sentence; the exit status."""
    if isinstance(error, EvalkitError):
        terminal.warn(mask(str(error)))
        return error.exit_status
    if is_about_the_command_line(error):
        terminal.warn(mask(sentence(error)))
        return 2
    terminal.warn(mask(f"unexpected {type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)."))
    state = current()
    if state is not None and state.full_error:
        traceback.print_exception(error)
    return 1


def is_about_the_command_line(error: BaseException) -> bool:
    """Whether the error is Hydra's or OmegaConf's, or was raised while composing.

    Where a group's choice is a number (``tracker=0``) or too long for a file's name, Hydra raises a ValueError,
    TypeError or OSError.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, HydraException | OmegaConfBaseException):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).name in COMPOSERS and "hydra" in frame.filename for frame in frames)


def sentence(error: BaseException) -> str:
    """Hydra's or OmegaConf's error as one line that ends in what to do.

    Their messages span several lines: the complaint, the choices (one an indented line), the search path.
    """
    own = type(error).__module__.startswith(("hydra", "omega"))
    if isinstance(error, ValueError | TypeError | OSError) and not own:
        # Not the whole message: it names the file that the system looked for.
        reason = " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())
        return (
            f"the command line makes no configuration ({_short(reason)}): correct it (`--cfg job` prints all options)."
        )
    override = getattr(error, "override", None)
    if isinstance(override, str):
        return _unreadable(override)
    lines = _lines(error)
    for rule in (_choice, _option, _many, _value, _list, _variable):
        explained = rule(lines)
        if explained is not None:
            return explained
    first = lines[0].strip().rstrip(".") if lines else type(error).__name__
    details = [
        line.strip() for line in lines[1:] if line.strip() and not line.strip().startswith(("full_key", "object_type"))
    ]
    rest = f" ({'; '.join(details[:2])})" if details else ""
    return f"{first}{rest}: correct the command line (`--cfg job` prints all options)."


def _lines(error: BaseException) -> list[str]:
    """Lines of the error and of its first cause, each once."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    lines = [line.rstrip() for cause in (causes[0], causes[-1]) for line in str(cause).splitlines() if line.strip()]
    return list(dict.fromkeys(lines))


def _unreadable(override: str) -> str:
    """An override that Hydra's grammar does not accept."""
    shown = _short(override)
    key, equals, value = shown.partition("=")
    if not equals:
        return f"{shown!r} is no override: write OPTION=VALUE (`--cfg job` prints all options)."
    quoted = f"'{key}=\"{value}\"'"
    example = quoted if not set(value) & set("\"'[]{}()\n") else "'OPTION=\"VALUE\"' or 'OPTION=[ONE,TWO]'"
    return (
        f"the override {shown!r} cannot be read: put a value with signs other than letters, digits and _-./:@ "
        f"in double quotes, and close every bracket, {example}."
    )


def _choice(lines: Sequence[str]) -> str | None:
    """A group has no such choice."""
    absent = re.search(r"Could not (?:find|load) '([^']+)/([^'/]*)'", " ".join(lines))
    if absent is None:
        return None
    group, choice = absent.groups()
    if group == f"hydra/{SCHEMAS}":
        return needs(choice)
    listed = [
        line.strip() for line in lines if line.startswith("\t") and not line.strip().startswith(("provider", "["))
    ]
    # Hydra lists no choices of a group that takes several.
    places = re.findall(r"path=file://(.+)", "\n".join(lines))
    choices = listed or sorted({file.stem for place in places for file in Path(place, group).glob("*.yaml")})
    cure = f"choose one of {', '.join(choices)}" if choices else f"conf/{group} has none of that name"
    return f"{group} has no choice {_short(choice)!r}: {cure}."


def _option(lines: Sequence[str]) -> str | None:
    """There is no such option."""
    missing = re.search(r"Key '([^']+)' (?:is not in struct|not in '(\w+)')", " ".join(lines))
    if missing is None:
        return None
    full = re.search(r"full_key: (\S+)", " ".join(lines))
    key = full.group(1) if full else missing.group(1)
    return f"there is no option {key!r}: check its spelling (`--cfg job` prints all options)."


def _many(lines: Sequence[str]) -> str | None:
    """Several values without -m."""
    several = re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^=]+)=(.*?)'", lines[0] if lines else "")
    if several is None:
        return None
    key, values = several.groups()
    return f"{key}={values} names several values: add -m to sweep over them, or give one."


def _value(lines: Sequence[str]) -> str | None:
    """A value of the wrong type."""
    message = " ".join(lines)
    full = re.search(r"full_key: (\S+)", message) or re.search(r"override ([\w.]+)=", message)
    where = full.group(1) if full else "an option"
    wrong = re.search(r"Value '(.*?)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)", message)
    if wrong:
        return f"{where} cannot be {wrong.group(1)!r}: give {_kind(wrong.group(2))}."
    if "is not Optional" in message:
        return f"{where} cannot be null: give a value, or leave it out."
    text = re.search(r"Cannot convert '(\w+)' to string", message)
    return f"{where} cannot be a {text.group(1)}: give a text." if text else None


def _list(lines: Sequence[str]) -> str | None:
    """One value for an option that takes a list."""
    single = re.search(r"is not a ListConfig, list or tuple", " ".join(lines))
    override = re.search(r"override ([\w.]+)=(.*)", lines[0] if lines else "")
    if single is None or override is None:
        return None
    key, value = override.groups()
    return f"{key} cannot be {value!r}: give a list, '{key}=[{value}]'."


def _variable(lines: Sequence[str]) -> str | None:
    """A reference to an environment variable that is not set."""
    absent = re.search(r"Environment variable '(\w+)' not found", " ".join(lines))
    return (
        f"the environment variable {absent[1]} is not set, and an option refers to it: export it." if absent else None
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _kind(name: str) -> str:
    return {
        "Integer": "a whole number",
        "bool": "true or false",
        "Float": "a number",
        "Boolean": "true or false",
        "Bool": "true or false",
        "String": "a text",
    }.get(name, f"a value of type {name}")
