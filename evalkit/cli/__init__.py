"""Command line: jobs, the sweep callback, what the terminal shows."""
