"""Errors in one sentence: what is wrong, what was found, what to do."""

import re
import traceback
from pathlib import Path

from evalkit.cli.sweep_state import current
from evalkit.config.launchers import SCHEMAS, needs
from evalkit.errors import EvalkitError
from evalkit.report import terminal
from evalkit.runtime.redaction import mask
from evalkit.runtime.surroundings import hidden, hiding_file

COMPOSERS = frozenset({"defaults_list.py", "config_loader_impl.py", "config_repository.py"})
"""Hydra's modules that only compose the configuration."""

SHOWN = 200
"""Characters of a value that a sentence repeats."""

RULES = (
    (
        r"Key '[^']+' (?:is not in struct|not in '\w+')",
        "there is no option {option!r}: check its spelling (`--cfg job` prints all options).",
    ),
    (
        r"\A.*(?:Ambiguous value for argument|Sweep parameters) '([^=]+)=(.*?)'",
        "{0}={1} names several values: add -m to sweep over them, or give one.",
    ),
    (
        r"Value '(.*?)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)",
        "{option} cannot be {0!r}: give {kind}.",
    ),
    (r"is not Optional", "{option} cannot be null: give a value, or leave it out."),
    (r"Cannot convert '(\w+)' to string", "{option} cannot be a {0}: give a text."),
    (
        r"\A.*override ([\w.]+)=(.*)\n(?s:.*)is not a ListConfig, list or tuple",
        "{0} cannot be {1!r}: give a list, '{0}=[{1}]'.",
    ),
    (
        r"Environment variable '(\w+)' not found",
        "the environment variable {0} is not set, and an option refers to it: export it.",
    ),
)
"""What Hydra and OmegaConf say → our sentence."""

KINDS = {
    "Integer": "a whole number",
    "Float": "a number",
    "String": "a text",
    **dict.fromkeys(("bool", "Bool", "Boolean"), "true or false"),
}


def explain(error: Exception) -> int:
    """Print an error as one sentence; the exit status."""
    if isinstance(error, EvalkitError):
        terminal.warn(mask(str(error)))
        return error.exit_status
    if is_about_the_command_line(error):
        terminal.warn(mask(sentence(error)))
        return 2
    hiding = hiding_file()
    if hiding is not None:
        terminal.warn(hidden(hiding))
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
    message = "\n".join(lines)
    known = _choice(message) or _by_rule(message)
    if known:
        return known
    first = lines[0].strip().rstrip(".") if lines else type(error).__name__
    details = [line.strip() for line in lines[1:] if not line.strip().startswith(("full_key", "object_type"))]
    rest = f" ({'; '.join(details[:2])})" if details else ""
    return f"{first}{rest}: correct the command line (`--cfg job` prints all options)."


def _lines(error: BaseException) -> list[str]:
    """Lines of the error and of its first cause, each once."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    lines = [line.rstrip() for cause in (error, first) for line in str(cause).splitlines() if line.strip()]
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


def _choice(message: str) -> str | None:
    """A group has no such choice."""
    absent = re.search(r"Could not (?:find|load) '([^']+)/([^'/]*)'", message)
    if absent is None:
        return None
    group, choice = absent.groups()
    if group == f"hydra/{SCHEMAS}":
        return needs(choice)
    # Hydra lists no choices of a group that takes several.
    places = re.findall(r"path=file://(.+)", message)
    choices = re.findall(r"^\t\s*(?!provider|\[)(\S.*)", message, re.MULTILINE) or sorted(
        {file.stem for place in places for file in Path(place, group).glob("*.yaml")}
    )
    cure = f"choose one of {', '.join(choices)}" if choices else f"conf/{group} has none of that name"
    return f"{group} has no choice {_short(choice)!r}: {cure}."


def _by_rule(message: str) -> str | None:
    named = re.search(r"full_key: (\S+)", message) or re.search(r"override ([\w.]+)=", message)
    for pattern, text in RULES:
        found = re.search(pattern, message)
        if found is not None:
            last = found[found.lastindex or 0]
            kind = KINDS.get(last, f"a value of type {last}")
            return text.format(*found.groups(), option=named[1] if named else "an option", kind=kind)
    return None


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
