"""Where the files of a workspace are: those of the default one in the home itself, as before there were others."""

from __future__ import annotations

from pathlib import Path

from batchyard.domain.datastores import DATASTORES
from batchyard.domain.workspaces import Workspace

# Below a workspace's folder things are called as below the home.
FOLDERS = ("jobs", "uploads", "datastores")
WORKSPACES = "workspaces"


def root_of(home: Path, workspace: Workspace) -> Path:
    """Give the folder of a workspace, made if it is missing; the home itself was made when it was prepared."""
    if workspace.is_default:
        return home
    root = home / WORKSPACES / workspace.id
    for folder in (*(root / name for name in FOLDERS), *(root / "datastores" / store.name for store in DATASTORES)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root
