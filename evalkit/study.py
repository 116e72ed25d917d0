"""``python -m evalkit.study evaluate|report NAME``: the two stages of a study in experiments/NAME."""

from evalkit.cli.study import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
