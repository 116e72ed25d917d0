"""Pictures of one finished evaluation, drawn from its record and its texts alone.

`evalkit.plots.map.draw` shows the texts in the plane, `evalkit.plots.neighbours.draw` the queries' nearest texts,
and `evalkit.plots.confusion.draw` which topic is taken for which. All share one palette and one style, so that a
label has the same colour in every picture of a sweep. The map, of which a run has its own, is drawn on a `canvas`; the
others are matplotlib figures, made outside pyplot: none is left open.
"""
