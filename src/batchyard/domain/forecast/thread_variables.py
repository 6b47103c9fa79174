"""The variables by which numeric libraries are told how many threads to use."""

from __future__ import annotations

# OpenMP (also scikit-learn, PyTorch, LightGBM), OpenBLAS, MKL, BLIS, Accelerate, numexpr, numba, Rayon (polars' own
# variable is another), TensorFlow. ONNX Runtime reads none: its sessions are told by the script.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
