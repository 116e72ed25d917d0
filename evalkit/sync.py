"""``python -m evalkit.sync FOLDER…``: log finished runs that the tracking server does not have yet."""

from evalkit.cli.sync import main

if __name__ == "__main__":
    main()
