"""From a request and a corpus to a record."""
