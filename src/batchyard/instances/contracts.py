"""The deployment's contracts as the start command tells them to workers, and items held against one before that."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.forecast.unfit_items import UnfitItem
from batchyard.domain.outputs.contracts import InputContract, OutputContract
from batchyard_runtime.input_contract import checker
from batchyard_runtime.violations import Violation


def output_contract_command(contract: OutputContract | None) -> dict[str, object] | None:
    """Give what `batchyard_runtime.output_contract` reads, None where nothing is declared."""
    if contract is None:
        return None
    return {
        "rows_per_item": contract.rows_per_item.value if contract.rows_per_item else None,
        "columns": dict(contract.columns),
        "extra_columns": contract.extra_columns.value,
        "nulls": None if contract.nulls is None else list(contract.nulls),
        "key_column": contract.key_column,
        "unique_key": contract.unique_key,
        "keys_name_items": contract.keys_name_items,
        "names_columns": contract.names_columns,
    }


def input_contract_command(contract: InputContract | None) -> dict[str, object] | None:
    """Give what `batchyard_runtime.input_contract` reads, None where nothing is declared."""
    return None if contract is None else {"format": contract.format.value, "columns": dict(contract.columns)}


def unfit_items(contract: InputContract | None, paths: Mapping[str, str]) -> list[UnfitItem]:
    """Hold items against a contract as a worker would; give those that are not as it says, or cannot be read.

    paths: name for messages -> path.
    """
    command = input_contract_command(contract)
    if command is None:
        return []
    names = {path: name for name, path in paths.items()}
    check, found = checker(command, names.__getitem__), []
    for name, path in paths.items():
        try:
            check([path])
        except Violation as exc:
            found.append(UnfitItem(name, exc.error, str(exc)))
        except OSError as exc:
            found.append(UnfitItem(name, type(exc).__name__, f"{name!r} cannot be read: {exc.strerror}."))
    return found
