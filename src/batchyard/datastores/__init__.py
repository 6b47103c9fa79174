"""Bytes on this machine: datastores, the sealed store, job homes and publishing, as local folders."""
