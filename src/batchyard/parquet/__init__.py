"""Parquet files through pyarrow, which is an extra (`batchyard[parquet]`) and is imported when one is written."""
