"""What the scoring engine is told of a parallel step."""

from dataclasses import replace

from batchyard.control.parallel_steps import DEFAULT_PIECE_BYTES, Pinned, parallel_spec
from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.deployments import LoggingLevel, OutputAction, PipelineSettings
from batchyard.domain.job_specs import (
    InputKind,
    InputSource,
    PipelineSpec,
    ScoringSpec,
    StepData,
    StepOutput,
    TableCut,
)
from batchyard.domain.pipelines.components import InputPort, OutputPort, PortType, Signature
from batchyard.domain.pipelines.definitions import (
    ParallelDefinition,
    ParallelSettings,
    ParallelTask,
    Step,
    TabularFormat,
)
from batchyard.domain.resource_ids import AssetId, DatastorePath, Reference

SOURCE = InputSource(InputKind.FOLDER, "azureml://datastores/workspaceblobstore/paths/in")
PARENT = PipelineSpec("p", "heart", "blue", 3, "default", AssetId("pipe", "1"), PipelineSettings(force_rerun=True))
PINNED = Pinned(AssetId("score", "2"), AssetId("c", "1"), Sealed("0" * 64, 1, 1), AssetId("env", "1"))
DEFINITION = ParallelDefinition(
    Signature({"data": InputPort(PortType.URI_FOLDER)}, {"scores": OutputPort(PortType.URI_FOLDER)}),
    ParallelTask(Reference("c", "1"), "score.py", Reference("env", "1"), "--data ${{inputs.data}}", "scores"),
    "data",
)
STEP = Step(Reference("score", "2"))


def spec_of(
    definition: ParallelDefinition = DEFINITION, step: Step = STEP, type_: PortType = PortType.URI_FOLDER
) -> ScoringSpec:
    place = DatastorePath("workspaceblobstore", "azureml/p-score/scores")
    return parallel_spec(
        definition,
        step,
        job="p-score",
        parent=PARENT,
        compute="cpu",
        pinned=PINNED,
        inputs={"data": StepData(SOURCE, PortType.URI_FOLDER)},
        outputs={"scores": StepOutput(place, type_)},
    )


def test_a_step_that_says_nothing_has_the_defaults_of_parallel_steps() -> None:
    settings = spec_of().settings

    assert (settings.mini_batch_size, settings.max_concurrency_per_instance, settings.instance_count) == (1, 1, 1)
    assert (settings.retry.max_retries, settings.retry.timeout_s) == (2, 60.0)
    assert (settings.error_threshold, settings.mini_batch_error_threshold) == (-1, -1)
    assert (settings.output_action, settings.output_file_name) == (OutputAction.APPEND_ROW, "parallel_run_step.txt")


def test_what_the_step_says_wins_over_its_component() -> None:
    definition = replace(
        DEFINITION,
        settings=ParallelSettings(mini_batch_size=5, max_retries=4, logging_level=LoggingLevel.DEBUG),
        environment_variables={"A": "component", "B": "component"},
        instance_count=2,
    )
    step = replace(
        STEP,
        settings=ParallelSettings(max_retries=0, timeout_s=7.0, error_threshold=3),
        environment_variables={"A": "step"},
        instance_count=4,
    )

    settings = spec_of(definition, step).settings

    assert (settings.mini_batch_size, settings.retry.max_retries, settings.retry.timeout_s) == (5, 0, 7.0)
    assert (settings.error_threshold, settings.logging_level) == (3, LoggingLevel.DEBUG)
    assert settings.environment_variables == {"A": "step", "B": "component"}
    assert settings.instance_count == 4


def test_rows_go_to_a_file_in_the_folder_of_their_output() -> None:
    spec = spec_of(step=replace(STEP, settings=ParallelSettings(append_row_file_name="scores.txt")))

    assert (spec.output.place.path, spec.output.file_name) == ("azureml/p-score/scores", "scores.txt")


def test_an_output_that_is_a_file_is_the_rows_themselves() -> None:
    spec = spec_of(type_=PortType.URI_FILE)

    assert (spec.output.place.path, spec.output.file_name) == ("azureml/p-score", "scores")
    assert spec.settings.output_file_name == "scores"


def test_without_append_row_to_rows_are_only_counted() -> None:
    definition = replace(DEFINITION, task=replace(DEFINITION.task, append_row_to=None))

    assert spec_of(definition).settings.output_action is OutputAction.SUMMARY_ONLY


def test_a_step_carries_where_it_belongs_and_what_is_pinned() -> None:
    spec = spec_of()

    assert (spec.endpoint, spec.deployment, spec.deployment_revision, spec.routed_by) == ("heart", "blue", 3, "default")
    assert (spec.source, spec.compute, spec.model, spec.model_seal) == (SOURCE, "cpu", None, None)
    assert spec.step is not None
    assert (spec.step.component, spec.step.input_data, spec.step.force_rerun) == (AssetId("score", "2"), "data", True)


def test_a_build_that_is_known_is_what_runs() -> None:
    build = EnvironmentBuild("1" * 64, "3.11.7")

    spec = parallel_spec(
        DEFINITION,
        STEP,
        job="p-score",
        parent=PARENT,
        compute="cpu",
        pinned=replace(PINNED, build=build),
        inputs={"data": StepData(SOURCE, PortType.URI_FOLDER)},
        outputs={"scores": StepOutput(DatastorePath("workspaceblobstore", "x"), PortType.URI_FOLDER)},
    )

    assert spec.build == build


def cut_of(settings: ParallelSettings) -> TableCut | None:
    spec = spec_of(replace(DEFINITION, settings=settings))
    assert spec.step is not None
    return spec.step.tables


def test_tables_are_cut_by_bytes_or_by_keys() -> None:
    csv = TabularFormat.CSV

    assert cut_of(ParallelSettings(mini_batch_size=5)) is None
    assert cut_of(ParallelSettings(mini_batch_bytes=100_000, input_format=csv)) == TableCut(csv, 100_000)
    assert cut_of(ParallelSettings(mini_batch_size=2048, input_format=csv)) == TableCut(csv, 2048)
    assert cut_of(ParallelSettings(input_format=csv)) == TableCut(csv, DEFAULT_PIECE_BYTES)
    assert cut_of(ParallelSettings(partition_keys=("k",), input_format=csv)) == TableCut(csv, None, ("k",))
