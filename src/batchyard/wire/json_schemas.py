"""JSON schemas of bodies and of YAML files, made from the shapes that read them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from batchyard.wire.codes import CodeBody
from batchyard.wire.computes import ComputeBody
from batchyard.wire.data import DataBody
from batchyard.wire.deployments import DeploymentBody
from batchyard.wire.endpoints import EndpointBody
from batchyard.wire.environments import EnvironmentBody
from batchyard.wire.invocations import InvocationBody
from batchyard.wire.job_edits import JobBody, RunBody
from batchyard.wire.models import ModelBody
from batchyard.wire.pipelines.components import ComponentBody
from batchyard.wire.reruns import RerunBody
from batchyard.wire.schedules import ScheduleBody
from batchyard.wire.shapes import ArmShape
from batchyard.wire.workspaces import WorkspaceBody

BODIES: tuple[type[ArmShape], ...] = (
    CodeBody,
    ComponentBody,
    ComputeBody,
    DataBody,
    DeploymentBody,
    EndpointBody,
    EnvironmentBody,
    InvocationBody,
    JobBody,
    ModelBody,
    RerunBody,
    RunBody,
    ScheduleBody,
    WorkspaceBody,
)


def body_schemas(ref_template: str) -> dict[str, dict[str, Any]]:  # Any: JSON schemas
    """Give the schema of each body by the name of its shape, and of what they are made of.

    ref_template: where they are put, such as `#/components/schemas/{model}`.
    """
    _names, found = models_json_schema([(shape, "validation") for shape in BODIES], ref_template=ref_template)
    return dict(found["$defs"])
