"""Retrieval: documents, queries and judgments in; rankings, scores with intervals and paired tests out."""
