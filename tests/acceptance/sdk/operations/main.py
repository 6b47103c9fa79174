"""Every operation of azure-ai-ml that batch users have, one after the other, in one process."""

import sys
from importlib import import_module
from pathlib import Path

import table

# On import each adds its operations to the table; later ones use what earlier ones made.
for name in ("on_workspace", "on_assets", "on_endpoints", "on_jobs", "on_schedules", "on_endings"):
    import_module(name)
table.run(Path(sys.argv[1]))
