"""``python -m evalkit.report FOLDER… [--out DIR]``: records → leaderboard, comparisons, agreement, topics, gallery."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import EvalkitError
from evalkit.runtime.signals import stoppable
from evalkit.runtime.surroundings import settle


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exits with 0, 1 (the report cannot be made) or 2 (the request is wrong)."""
    parser = argparse.ArgumentParser(
        prog="evalkit-report",
        description="Compare finished runs of one corpus: leaderboard, comparisons, agreement, topics, gallery.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="runs or sweeps, searched recursively")
    parser.add_argument("--out", type=Path, help="where to write (default: the folder, if one is given, else report)")
    parser.add_argument("--rank-by", help="score that ranks (default: the runs' own rank_by)")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    arguments = parser.parse_args(argv)

    settle()
    from evalkit.report import terminal  # not before the help
    from evalkit.report.build_report import report_on
    from evalkit.report.leaderboard_text import terminal_columns
    from evalkit.report.load_runs import collect

    out = arguments.out or (arguments.folders[0] if len(arguments.folders) == 1 else Path("report"))
    try:
        with stoppable("the same command writes the report anew."):
            runs = collect(arguments.folders)
            report = report_on(runs, out, rank_by=arguments.rank_by, theme=arguments.theme)
    except EvalkitError as error:
        terminal.warn(str(error))
        sys.exit(error.exit_status)
    terminal.print_table("leaderboard", terminal_columns(report.board, report.rank_by))
    terminal.say(f"report: {report.gallery}")


if __name__ == "__main__":
    main()
