"""gallery.html: all maps, scores and neighbour lists of a sweep in one file, which opens from disk and in MLflow."""
