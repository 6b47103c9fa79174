"""Tables that a parallel step cuts by bytes or by keys."""

from __future__ import annotations

from enum import Enum


class TabularFormat(Enum):
    """Of tabular input that a parallel step cuts by bytes or by keys (ours: Azure's needs an mltable)."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"
