"""``python -m evalkit.study evaluate|report NAME``: the two stages of a study in experiments/NAME."""

from evalkit.runtime.signals import listen_early

if __name__ == "__main__":
    listen_early()  # before the libraries load

from evalkit.cli.study import main

if __name__ == "__main__":
    main()
