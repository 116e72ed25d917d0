"""The page of ``--help``, word for word as Hydra prints it, with a sixth of the calls.

Hydra copies all that is registered for each group that it lists, the launchers' among them: some 90 times.
"""

from collections.abc import Sequence
from pathlib import Path
from string import Template

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from evalkit.cli.sweep_plan import without_hydra


def is_asked(arguments: Sequence[str]) -> bool:
    """Whether the command asks for the page, and has no other flag, which Hydra would have to read."""
    flags = {argument for argument in arguments if argument.startswith("-")}
    return bool(flags) and flags <= {"-h", "--help"}


def help_page(conf: Path, arguments: Sequence[str]) -> str:
    """The groups of `conf` with their choices, and the configuration that the overrides make."""
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    with initialize_config_dir(str(conf), job_name="evalkit", version_base="1.3"):
        config = compose("config", overrides, return_hydra_config=True)
    choices: dict[str, list[str]] = {}
    for file in sorted(conf.glob("*/*.yaml")):
        choices.setdefault(file.parent.name, []).append(file.stem)
    groups = "".join(f"{group}: {', '.join(names)}\n" for group, names in choices.items())
    return Template(config.hydra.help.template).safe_substitute(
        APP_CONFIG_GROUPS=groups, CONFIG=OmegaConf.to_yaml(without_hydra(config))
    )
