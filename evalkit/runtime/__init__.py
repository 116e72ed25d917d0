"""Process-wide facilities: signals, threads, compiled loops, redaction of secrets."""
