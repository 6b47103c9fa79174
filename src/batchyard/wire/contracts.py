"""Reading the contracts of a deployment in both dialects; `contract_rendering` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from batchyard.domain.outputs.contracts import ExtraColumns, InputContract, InputFormat, OutputContract, RowsPerItem
from batchyard.wire.mistakes import refusal
from batchyard.wire.shapes import ArmShape, Text, TextMap, Truth, YamlShape, given, one_of

_Rows = Annotated[RowsPerItem, BeforeValidator(one_of(RowsPerItem))]
_Extra = Annotated[ExtraColumns, BeforeValidator(one_of(ExtraColumns))]
_Format = Annotated[InputFormat, BeforeValidator(one_of(InputFormat))]
_PLAIN = ("rows_per_item", "columns", "extra_columns", "nulls", "key_column", "unique_key")
_NULLS_SCHEMA = {"anyOf": [{"enum": ["allow", "refuse"]}, {"type": "array", "items": {"type": "string"}}]}


def _nulls(value: object) -> tuple[str, ...] | None:
    words = {"allow": None, "refuse": ()}
    if value is None:
        return None
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    if isinstance(value, list | tuple) and all(isinstance(name, str) and name for name in value):
        return tuple(dict.fromkeys(value))
    raise refusal("allow, refuse, or a list of the columns that may be null")


def _with_format(value: object) -> object:
    if isinstance(value, Mapping) and not any(str(key).lower() == "format" and value[key] for key in value):
        formats = ", ".join(member.value for member in InputFormat)
        raise refusal(f"a mapping with format, which is one of {formats}")
    return value


_Nulls = Annotated[tuple[str, ...] | None, BeforeValidator(_nulls), WithJsonSchema(_NULLS_SCHEMA)]


class OutputContractYaml(YamlShape):
    """`settings.output_contract` in YAML."""

    rows_per_item: _Rows | None = None
    columns: TextMap | None = None
    extra_columns: _Extra | None = None
    nulls: _Nulls = None
    key_column: Text | None = None
    unique_key: Truth | None = None


class OutputContractArm(ArmShape):
    """`outputContract` in a body."""

    rows_per_item: _Rows | None = None
    columns: TextMap | None = None
    extra_columns: _Extra | None = None
    nulls: _Nulls = None
    key_column: Text | None = None
    unique_key: Truth | None = None


class _InputContractYaml(YamlShape):
    format: _Format | None = None
    columns: TextMap | None = None


class _InputContractArm(ArmShape):
    format: _Format | None = None
    columns: TextMap | None = None


# Without a format there is nothing to check; said of the mapping, so that the rest of the document is read.
InputContractYaml = Annotated[_InputContractYaml, BeforeValidator(_with_format)]
InputContractArm = Annotated[_InputContractArm, BeforeValidator(_with_format)]

ARM_NAMES: Mapping[str, str] = {
    "settings.output_contract": "properties.outputContract",
    "settings.output_contract.rows_per_item": "properties.outputContract.rowsPerItem",
    "settings.output_contract.extra_columns": "properties.outputContract.extraColumns",
    "settings.output_contract.key_column": "properties.outputContract.keyColumn",
    "settings.output_contract.unique_key": "properties.outputContract.uniqueKey",
    "settings.input_contract": "properties.inputContract",
}


def output_contract_of(shape: OutputContractYaml | OutputContractArm | None) -> OutputContract | None:
    """Make the output contract; what it does not say has its default. None for none."""
    return None if shape is None else OutputContract(**given(shape, *_PLAIN))


def input_contract_of(shape: _InputContractYaml | _InputContractArm | None) -> InputContract | None:
    """Make the input contract, None for none."""
    return None if shape is None or shape.format is None else InputContract(shape.format, shape.columns or {})
