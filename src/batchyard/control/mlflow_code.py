"""The script that scores with an MLflow model, which its users need not write, and what it is called."""

from __future__ import annotations

from importlib import resources

# Also the name of the code that is registered with it.
CODE = "mlflow_scoring"
SCRIPT = f"{CODE}.py"


def script_files() -> dict[str, str]:
    """Give the script that scores with an MLflow model, and what it imports: text by name."""
    folder = resources.files("batchyard.control").joinpath("mlflow_scripts")
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".py")}
