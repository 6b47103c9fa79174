"""Conda specs become PyPI requirements by the reviewed table."""

from __future__ import annotations

import re

import pytest

from batchyard.environments.conda import VERSION, canonical, parse_spec, requirement, reviewed_names

NAMES = reviewed_names()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("numpy", "numpy"),
        ("NumPy", "numpy"),
        ("numpy=1.24", "numpy==1.24.*"),
        ("numpy=1.24.*", "numpy==1.24.*"),
        ("numpy=1.24*", "numpy==1.24.*"),
        ("numpy==1.24.3", "numpy==1.24.3"),
        ("numpy 1.24.3", "numpy==1.24.3"),
        ("numpy 1.24.*", "numpy==1.24.*"),
        ("numpy=*", "numpy"),
        ("numpy>=1.20,<1.25", "numpy>=1.20,<1.25"),
        ("numpy >=1.20, <1.25", "numpy>=1.20,<1.25"),
        ("numpy>=1.20.*", "numpy>=1.20"),
        ("numpy!=1.22", "numpy!=1.22"),
        ("numpy~=1.20", "numpy~=1.20"),
        ("numpy=1.24.3=py310h5f9d8c6_1", "numpy==1.24.3"),
        ("numpy 1.24.3 py310_0", "numpy==1.24.3"),
        ("numpy=1.24.*=*", "numpy==1.24.*"),
        ("numpy=1.24=*openblas*", "numpy==1.24"),
        ("conda-forge::numpy=1.24", "numpy==1.24.*"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("matplotlib-base", "matplotlib"),
        ("py-xgboost=1.7", "xgboost==1.7.*"),
        ("huggingface_hub", "huggingface-hub"),
        ("opencv==4.5.5", "opencv-python-headless==4.5.5.*"),
        ("pandas=2.0.0rc1", "pandas==2.0.0rc1"),
    ],
)
def test_a_conda_spec_becomes_the_requirement_it_means(spec: str, expected: str) -> None:
    parsed = parse_spec(spec)

    assert parsed is not None
    assert requirement(parsed, NAMES.pypi[parsed.name]) == expected


@pytest.mark.parametrize("spec", ["numpy=1.24|1.25", "numpy[version='>=1.2']", "numpy=>1.2", "numpy>=", "./pkg", ""])
def test_a_spec_that_cannot_be_translated_is_not_guessed(spec: str) -> None:
    assert parse_spec(spec) is None


def test_a_build_string_is_kept_for_the_note() -> None:
    parsed = parse_spec("numpy=1.24.3=py310h5f9d8c6_1")

    assert parsed is not None
    assert parsed.build == "py310h5f9d8c6_1"


def test_the_reviewed_table_names_each_package_once_and_in_one_place() -> None:
    everywhere = [*NAMES.pypi, *NAMES.ignored, *NAMES.left_out]

    assert len(everywhere) == len(set(everywhere))
    assert all(name == canonical(name) for name in everywhere)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*", entry.name) for entry in NAMES.pypi.values())
    assert len(NAMES.pypi) > 80


def test_version_pattern_refuses_what_pypi_could_not_have() -> None:
    assert re.fullmatch(VERSION, "1.1.1w") is None
    assert re.fullmatch(VERSION, "2023.8.22") is not None
