"""Columns of the experiment's page in MLflow when the printed address is opened.

MLflow documents neither the tag nor its form (in 3.17: JSON of the page's state). A version that does not know it shows
its plain list.
"""

from __future__ import annotations

import json

KEY = "evalkit"
VIEW_TAG = f"mlflow.sharedViewState.{KEY}"

MODE = "workflowType=machine_learning"  # of any address: MLflow's pages of runs and metrics, not those of traces
QUERY = f"{MODE}&viewStateShareKey={KEY}"  # of the experiment's address

ORDER = "neighbours/map_at_r_macro"
METRICS = (
    ORDER, f"{ORDER}.chance", "neighbours/precision_at_1", "separation/silhouette", "map/silhouette", "hulls/overlap",
)  # fmt: skip
TAGS = ("evalkit.corpus", "evalkit.sweep_name")
RUN_NAME, CREATED = "attributes.`Run Name`", "runDateAndNestInfo"

OFF = ("orderByAsc", "viewMaximized", "runListHidden", "isAccordionReordered")
ON = ("useGroupedValuesInCharts", "hideEmptyCharts", "autoRefreshEnabled")


SHOWN = (*(f"metrics.`{name}`" for name in METRICS), *(f"tags.`{name}`" for name in TAGS))
WIDTHS = {RUN_NAME: 220, CREATED: 130, **{column: 30 + 6 * len(column.split("`")[1]) for column in SHOWN}}
STATE = json.dumps({
    "searchFilter": "", "orderByKey": f"metrics.`{ORDER}`", "startTime": "ALL", "lifecycleFilter": "Active",
    "datasetsFilter": [], "modelVersionFilter": "All Runs", "selectedColumns": ["attributes.`Created`", *SHOWN],
    "columnOrder": [RUN_NAME, CREATED, "duration", *SHOWN], "columnWidths": WIDTHS, "runsExpanded": {},
    "runsPinned": [], "runsHidden": [], "runsVisibilityMap": {}, "runsHiddenMode": "SHOW_ALL", "groupBy": None,
    "groupsExpanded": {}, **dict.fromkeys(OFF, False), **dict.fromkeys(ON, True),
})  # fmt: skip
"""State of the page: its columns, sorted by `ORDER`, best first."""
