"""What a job is to do, by kind: everything its run depends on, frozen when it is made.

The process of a job reads nothing else of the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.deployments import ExecutionSettings, PipelineSettings
from batchyard.domain.pipelines.components import InputMode, Literal, OutputMode, PortType, Signature
from batchyard.domain.pipelines.tabular import TabularFormat
from batchyard.domain.resource_ids import AssetId, DatastorePath


class InputKind(Enum):
    """Whether the input is one file or a folder of files; the value is Azure's word."""

    FOLDER = "uri_folder"
    FILE = "uri_file"


@dataclass(frozen=True, slots=True)
class InputSource:
    """The data to score.

    uri: `azureml://datastores/…/paths/…`, `file:///…` read in place for the owner, or, of an invocation alone,
    `azureml:NAME:VERSION` of a data asset. asset: the asset that the uri was read from, None for a plain one.
    sealed: of a registered model, the bytes that are read in the place of what lies at the uri today; whether they are
    a file or a folder they tell themselves, and not the kind.
    """

    kind: InputKind
    uri: str
    asset: AssetId | None = None
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True)
class OutputTarget:
    """Where the output is published.

    place: the folder in a datastore; file_name: of the predictions in it. into_existing: the invocation named path
    and file, so that the folder may have other files and only these three names must be free (rule 13).
    """

    place: DatastorePath
    file_name: str
    into_existing: bool = False


@dataclass(frozen=True, slots=True)
class StepData:
    """Data that a step or a pipeline is given. type: of the port that it was given to."""

    source: InputSource
    type: PortType
    mode: InputMode = InputMode.RO_MOUNT


Given = Literal | StepData


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Where an output of a step or a pipeline goes.

    place: the folder, or the file's full path where the type is uri_file. registers: the version of a model asset that
    it becomes, once it is published; only of model types.
    """

    place: DatastorePath
    type: PortType
    mode: OutputMode = OutputMode.RW_MOUNT
    registers: AssetId | None = None


@dataclass(frozen=True, slots=True)
class TableCut:
    """How the rows of tabular input become mini-batches: pieces of about so many bytes, or the rows of equal keys.

    most_bytes: None where keys cut. keys: columns.
    """

    input_format: TabularFormat
    most_bytes: int | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParallelStep:
    """What a parallel step of a pipeline has beside what every job has that scores.

    component: the version that the step runs. input_data: the input that is cut into mini-batches, the spec's source.
    outputs: all of the signature's. append_row_to: the one that the rows go to. tables: None for lists of files.
    """

    component: AssetId
    signature: Signature
    input_data: str
    inputs: Mapping[str, Given] = field(default_factory=dict)
    outputs: Mapping[str, StepOutput] = field(default_factory=dict)
    program_arguments: str = ""
    append_row_to: str | None = None
    tables: TableCut | None = None
    is_deterministic: bool = True
    force_rerun: bool = False


@dataclass(frozen=True, slots=True)
class ScoringSpec:
    """A job that scores an input in mini-batches.

    model/code: the sealed trees; a step has no model. scoring_script: relative to the code folder. settings: effective
    ones. step: None for a job that an invocation of a model's deployment made. build: None where the environment of a
    step has not been built before; the job's own process builds it.
    """

    job: str
    endpoint: str
    deployment: str
    deployment_revision: int
    routed_by: str
    source: InputSource
    settings: ExecutionSettings
    compute: str
    model: AssetId | None
    model_seal: Sealed | None
    code: AssetId
    code_seal: Sealed
    scoring_script: str
    environment: AssetId
    build: EnvironmentBuild | None
    output: OutputTarget
    experiment_name: str = ""
    step: ParallelStep | None = None

    @property
    def instance_count(self) -> int:
        """How many instances of its compute it holds while it runs."""
        return self.settings.instance_count


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A job that runs a command once: a step of a pipeline.

    endpoint, deployment, deployment_revision, routed_by: of the pipeline's invocation; "" and 0 without one.
    component: the version that the step runs. inputs: as given or by default; optional ones that lack are left out.
    outputs: all of the signature's. build: None until the environment has been built for the first time.
    timeout_s: wall time of the command, None for any. force_rerun: no earlier result is used in its place.
    """

    job: str
    endpoint: str
    deployment: str
    deployment_revision: int
    routed_by: str
    component: AssetId
    signature: Signature
    command: str
    compute: str
    environment: AssetId
    build: EnvironmentBuild | None = None
    code: AssetId | None = None
    code_seal: Sealed | None = None
    inputs: Mapping[str, Given] = field(default_factory=dict)
    outputs: Mapping[str, StepOutput] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    instance_count: int = 1
    timeout_s: float | None = None
    is_deterministic: bool = True
    force_rerun: bool = False
    experiment_name: str = ""


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """A job that runs the steps of a pipeline component, each a job of its own. It holds no instances itself.

    Other fields as in CommandSpec.
    """

    job: str
    endpoint: str
    deployment: str
    deployment_revision: int
    routed_by: str
    component: AssetId
    settings: PipelineSettings
    inputs: Mapping[str, Given] = field(default_factory=dict)
    outputs: Mapping[str, StepOutput] = field(default_factory=dict)
    experiment_name: str = ""

    @property
    def compute(self) -> str:
        """The compute of steps that name none; "" where each does."""
        return self.settings.default_compute

    @property
    def instance_count(self) -> int:
        """None of its own: its steps hold theirs."""
        return 0


Spec = ScoringSpec | CommandSpec | PipelineSpec
