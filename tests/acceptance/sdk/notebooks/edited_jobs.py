"""Jobs that have been made are named, tagged, archived and listed with azure-ai-ml alone."""

import json
import sys

from azure.ai.ml import MLClient
from azure.ai.ml.constants import ListViewType
from azure.identity import DefaultAzureCredential

ml_client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000000", "local", "default")
name = sys.argv[1]


def is_listed(view: ListViewType) -> bool:
    return name in [listed.name for listed in ml_client.jobs.list(list_view_type=view)]


job = ml_client.jobs.get(name)
job.display_name = "First try"
job.tags["team"] = "vision"
submitted = ml_client.jobs.create_or_update(job)
updated = ml_client.jobs.update(name, description="why it was made", tags={"cost": "7"})
ml_client.jobs.archive(name)
while_archived = [is_listed(view) for view in (ListViewType.ACTIVE_ONLY, ListViewType.ARCHIVED_ONLY, ListViewType.ALL)]
ml_client.jobs.restore(name)

found = {
    "submitted": [submitted.display_name, submitted.tags["team"]],
    "updated": [updated.display_name, updated.description, updated.tags["team"], updated.tags["cost"]],
    "while_archived": while_archived,
    "restored": is_listed(ListViewType.ACTIVE_ONLY),
}
print(json.dumps(found))
