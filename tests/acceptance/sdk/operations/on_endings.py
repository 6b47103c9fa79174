"""What was made is taken away again."""

from on_assets import is_missing
from on_endpoints import ENDPOINT
from table import ml, operation


@operation("batch_deployments.begin_delete")
def delete_deployment() -> None:
    ml.batch_deployments.begin_delete("classic", ENDPOINT).result()
    assert is_missing(lambda: ml.batch_deployments.get("classic", ENDPOINT))


@operation("batch_endpoints.begin_delete")
def delete_endpoint() -> None:
    ml.batch_endpoints.begin_delete(ENDPOINT).result()
    assert is_missing(lambda: ml.batch_endpoints.get(ENDPOINT))
