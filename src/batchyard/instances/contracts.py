"""The deployment's contracts as the start command tells them to workers."""

from __future__ import annotations

from batchyard.domain.contracts import InputContract, OutputContract


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
