"""Keep secrets out of what Hydra writes: replace them in overrides, and mask them in its files."""

import os
from collections.abc import Sequence
from pathlib import Path

from evalkit.runtime.atomic_write import atomic_write
from evalkit.runtime.redaction import MASK, mask, names_secret


def guard(arguments: Sequence[str]) -> list[str]:
    """Move overrides that hold a password or token into the environment.

    Hydra writes every override in clear into .hydra/*.yaml and multirun.yaml; an ``oc.env`` reference keeps the secret
    out of them and still reaches the jobs. What is only to be shown (``--cfg``) gets the mask itself.
    """
    shows = any(argument in {"--cfg", "-c"} or argument.startswith("--cfg=") for argument in arguments)
    guarded = []
    for number, argument in enumerate(arguments):
        key, equals, value = argument.partition("=")
        named = names_secret(key.rpartition(".")[2])
        if equals and not argument.startswith("-") and (named or mask(value) != value):
            choices = _choices(argument) or [value]
            names = [f"EVALKIT_SECRET_{number}" + (f"_{place}" if place else "") for place in range(len(choices))]
            for name, choice in zip(names, choices, strict=True):
                plain = choice.strip("'\"")
                os.environ[name] = (MASK if named else mask(plain)) if shows else plain
            argument = f"{key}={','.join(map(_reference, names, choices))}"  # noqa: PLW2901
        guarded.append(argument)
    return guarded


def _reference(name: str, value: str) -> str:
    """The reference to a variable: a list stays a list, anything else is a string."""
    plain = f"${{oc.env:{name}}}"
    # Quoted, as Hydra's own grammar knows no reference within a reference; it is resolved all the same.
    return f"'${{oc.decode:{plain}}}'" if value.startswith(("[", "{")) else plain


def _choices(argument: str) -> list[str]:
    """The values of a choice sweep; none where the override is one value, or unreadable."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import QuotedString, Transformer
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException:  # such as a password with a semicolon: it is one value, and Hydra need not read it
        return []
    if not override.is_choice_sweep():
        return []
    written = override.sweep_string_iterator()
    plain = override.sweep_iterator(transformer=Transformer.identity)
    return [
        text if isinstance(value, list | dict) else value.text if isinstance(value, QuotedString) else str(value)
        for text, value in zip(written, plain, strict=True)
    ]


def hide(*files: Path) -> None:
    """Mask Hydra's copies of a configuration that holds a secret itself, such as a user's own YAML."""
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError:
            continue  # Hydra was told to write none
        masked = mask(text)
        if masked != text:
            with atomic_write(file) as temporary:
                temporary.write_text(masked, encoding="utf-8")
