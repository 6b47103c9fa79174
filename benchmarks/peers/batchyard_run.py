"""`batchyard run` as a whole process: the deployment's files, written before the clock starts."""

from __future__ import annotations

from pathlib import Path

_DEPLOYMENT = """\
name: bench
endpoint_name: bench
type: model
model: {{path: model.txt}}
code_configuration: {{code: code, scoring_script: score.py}}
environment: {{conda_file: {{dependencies: []}}}}
compute: azureml:none
settings:
  mini_batch_size: {size}
  max_concurrency_per_instance: 2
  environment_variables: {{{variables}}}
"""


def prepare(script: Path, output: Path, size: int, variables: dict[str, str]) -> Path:
    """Write what the command reads beside the output; give the deployment's file."""
    folder = output.parent / "deployment"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "score.py").write_text(script.read_text())
    (folder / "model.txt").write_text("none")
    written = ", ".join(f"{name}: {value!r}" for name, value in variables.items())
    (folder / "deployment.yml").write_text(_DEPLOYMENT.format(size=size, variables=written))
    return folder / "deployment.yml"
