"""Pictures of one finished evaluation, drawn from its record and its texts.

`evalkit.plots.map.draw` shows the texts in the plane, `evalkit.plots.neighbours.draw` the nearest texts of the queries
and `evalkit.plots.confusion.draw` which topic is taken for which. All three share one palette, so that a label has the
same colour in every picture of a sweep. They are matplotlib figures made without pyplot: none is left open.
"""
