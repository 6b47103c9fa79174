"""The steps of a pipeline job as people see them: those that have begun as their jobs, the others by name."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.control import definitions
from batchyard.domain.errors import Mistake
from batchyard.domain.job_specs import PipelineSpec
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.definitions import PipelineDefinition, kind_of
from batchyard.domain.pipelines.graphs import in_order, inputs_need
from batchyard.domain.resource_ids import AssetId, Reference
from batchyard.domain.step_trees import StepNode
from batchyard.ports.records import Transaction


def steps_of(tx: Transaction, job: Job, *, read: definitions.Read) -> tuple[StepNode, ...]:
    """Give the steps of a pipeline job, each behind those that it needs, with those of inner pipelines.

    Of a component that cannot be read any more only what has begun is told. No steps for jobs of other kinds.
    """
    if not isinstance(job.spec, PipelineSpec):
        return ()
    return _nodes(tx, job.spec.component, tx.jobs.steps_of(job.name), read)


def _nodes(
    tx: Transaction, component: AssetId, begun: Mapping[str, Job], read: definitions.Read
) -> tuple[StepNode, ...]:
    reference = Reference("components", component.name, component.version)
    definition = definitions.definition_at(tx, reference, read=read)
    if not isinstance(definition, PipelineDefinition):
        return tuple(StepNode(name, "", job, steps_of(tx, job, read=read)) for name, job in begun.items())
    nodes = []
    for name in in_order({name: inputs_need(step.inputs) for name, step in definition.steps.items()}):
        step = definition.steps[name]
        inner = definitions.definition_at(tx, step.component, read=read)
        kind = step.kind if isinstance(inner, Mistake) else kind_of(inner)
        job = begun.get(name)
        nodes.append(StepNode(name, kind, job, () if job is None else steps_of(tx, job, read=read)))
    return tuple(nodes)
