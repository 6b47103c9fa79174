"""Writing the contracts of a deployment in both dialects; reading is in `contracts`, which needs pydantic."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.outputs.contracts import InputContract, OutputContract
from batchyard.wire.trees import at, mapping_at

_OUTPUT_NAMES = {
    "rows_per_item": "rowsPerItem",
    "columns": "columns",
    "extra_columns": "extraColumns",
    "nulls": "nulls",
    "key_column": "keyColumn",
    "unique_key": "uniqueKey",
}


def contracts_to_arm(output: OutputContract | None, input_: InputContract | None) -> dict[str, object]:
    """Give both contracts as properties of a deployment's body; null where there is none."""
    return {
        "outputContract": None if output is None else _output(output),
        "inputContract": None if input_ is None else {"format": input_.format.value, "columns": dict(input_.columns)},
    }


def contracts_cli_from_arm(properties: Mapping[str, object]) -> dict[str, object]:
    """Give both contracts as YAML writes them, None where there is none."""
    output, input_ = mapping_at(properties, "outputContract"), mapping_at(properties, "inputContract")
    return {
        "output_contract": {name: output.get(arm) for name, arm in _OUTPUT_NAMES.items()} if output else None,
        "input_contract": {"format": at(input_, "format"), "columns": mapping_at(input_, "columns")}
        if input_
        else None,
    }


def _output(contract: OutputContract) -> dict[str, object]:
    nulls = contract.nulls
    return {
        "rowsPerItem": contract.rows_per_item.value if contract.rows_per_item else None,
        "columns": dict(contract.columns),
        "extraColumns": contract.extra_columns.value,
        "nulls": "allow" if nulls is None else list(nulls) or "refuse",
        "keyColumn": contract.key_column,
        "uniqueKey": contract.unique_key,
    }
