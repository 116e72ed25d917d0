"""Finished runs: folders, leaderboard, comparisons, studies and the gallery."""
