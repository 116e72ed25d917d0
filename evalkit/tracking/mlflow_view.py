"""The experiment page's prepared view: which columns MLflow shows when the printed address is opened.

MLflow documents neither the tag nor its form (seen in 3.17: JSON of the page's state). Where a version does
not know it, the plain list opens.
"""

from __future__ import annotations

import json

__all__ = ["MODE", "VIEW_TAG", "experiment_tags", "query", "view_state"]

KEY = "evalkit"
VIEW_TAG = f"mlflow.sharedViewState.{KEY}"

MODE = "workflowType=machine_learning"
"""What follows the ? of any address: MLflow's classic pages (runs and metrics), not those for traces."""

ORDER = "neighbours/map_at_r_macro"
METRICS = (
    ORDER,
    f"{ORDER}.chance",
    "neighbours/precision_at_1",
    "separation/silhouette",
    "map/silhouette",
    "hulls/overlap",
)
RUN_NAME, CREATED = "attributes.`Run Name`", "runDateAndNestInfo"
TAGS = ("evalkit.corpus", "evalkit.sweep_name")


def query() -> str:
    """What follows the ? of the experiment's address."""
    return f"{MODE}&viewStateShareKey={KEY}"


def view_state() -> str:
    """The page's state: columns, best first."""
    shown = [*(f"metrics.`{name}`" for name in METRICS), *(f"tags.`{name}`" for name in TAGS)]
    widths = {RUN_NAME: 220, CREATED: 130, **{column: 30 + 6 * len(column.split("`")[1]) for column in shown}}
    state = {
        "searchFilter": "",
        "orderByKey": f"metrics.`{ORDER}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": ["attributes.`Created`", *shown],
        "columnOrder": [RUN_NAME, CREATED, "duration", *shown],
        "columnWidths": widths,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
    }
    return json.dumps(state)


def experiment_tags() -> dict[str, str]:
    """Tags of a new experiment: classic mode, and the view."""
    return {"mlflow.experimentKind": "custom_model_development", VIEW_TAG: view_state()}
