"""Pictures of one finished evaluation, from its record and its texts, in one palette: a label keeps its colour."""
