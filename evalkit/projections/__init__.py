"""Vectors → a map in the plane, one projection a file.

Every module has ``project(unit, graph, *, seed, **parameters) -> Projection`` and ``needs(n, …) -> int``, the
number of neighbours that it wants the graph to list for `n` texts.
"""
