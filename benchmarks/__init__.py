"""Ratios, never absolute times: batchyard's engine beside the hand-written limit, interleaved, outputs compared."""
