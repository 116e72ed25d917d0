"""``python -m evalkit.run [OVERRIDE…]``: one evaluation, or with ``-m`` a sweep."""

from evalkit.runtime.signals import listen_early

if __name__ == "__main__":
    listen_early()  # before the libraries load

from evalkit.runtime.surroundings import named_if_hidden

with named_if_hidden():
    from evalkit.cli.run import main

if __name__ == "__main__":
    main()
