"""Chance levels, intervals and paired tests."""
