"""The experiment page's prepared view: which columns MLflow shows when the printed address is opened.

MLflow documents neither the tag nor its form; where a version does not know it, the plain list opens.
"""

from __future__ import annotations

__all__ = ["QUERY", "experiment_tags"]

QUERY = "workflowType=machine_learning"


def experiment_tags() -> dict[str, str]:
    """Tags of a new experiment: classic mode (runs, not traces), and the view."""
    return {"mlflow.experimentKind": "custom_model_development"}
