"""A conda file is read whole: requirements, the wish for Python, notes, and all mistakes at once."""

from __future__ import annotations

import textwrap

import pytest

from batchyard.domain.errors import Mistake
from batchyard.environments.conda import reviewed_names
from batchyard.environments.resolve import Definition, read_definition


def read(text: str | None) -> tuple[Definition, list[Mistake]]:
    return read_definition(textwrap.dedent(text) if text else text, names=reviewed_names())


def test_conda_names_and_the_pip_part_become_one_sorted_list() -> None:
    definition, mistakes = read("""
        name: scoring
        channels: [conda-forge, defaults]
        dependencies:
          - python=3.10
          - numpy=1.24
          - pip:
              - scikit-learn==1.5.2
              - idna  # hosts
    """)

    assert mistakes == []
    assert definition.requirements == ("idna", "numpy==1.24.*", "pip", "scikit-learn==1.5.2")
    assert [(c.operator, c.version) for spec in definition.python for c in spec.clauses] == [("=", "3.10")]
    assert definition.notes == ()


def test_no_conda_file_is_an_empty_environment() -> None:
    assert read(None) == (Definition(), [])
    assert read("dependencies:") == (Definition(), [])


def test_a_version_of_pip_is_not_asked_for() -> None:
    assert read("dependencies: [pip=20.2.4]")[0].requirements == ("pip",)


def test_all_unknown_conda_names_are_listed_with_the_remedy() -> None:
    _, mistakes = read("dependencies: [numpy, obscure-lib=1, python=3.10, another_one]")

    assert [m.field for m in mistakes] == ["conda_file.dependencies[1]", "conda_file.dependencies[3]"]
    assert "'obscure-lib=1'" in mistakes[0].found
    assert "under pip:" in mistakes[0].remedy
    assert "another" in mistakes[1].remedy


def test_mistakes_of_every_kind_are_given_together() -> None:
    _, mistakes = read("""
        dependancies: []
        channels: conda-forge
        dependencies:
          - {npm: [left-pad]}
          - numpy=1|2
          - python=2.7
          - corp::numpy
          - certifi=2021a_beta
          - pip: [-r all.txt, 7]
    """)

    assert [m.field for m in mistakes] == [
        "conda_file.dependancies",
        "conda_file.dependencies[0]",
        "conda_file.dependencies[1]",
        "conda_file.dependencies[2]",
        "conda_file.dependencies[3]",
        "conda_file.dependencies[4]",
        "conda_file.dependencies[5].pip[0]",
        "conda_file.dependencies[5].pip[1]",
        "conda_file.channels",
    ]
    assert mistakes[0].remedy == "Did you mean 'dependencies'?"


def test_broken_yaml_is_one_mistake_with_its_line() -> None:
    _, mistakes = read("dependencies:\n  - numpy\n - pandas\n")

    assert len(mistakes) == 1
    assert "line 3" in mistakes[0].found


def test_a_list_is_not_a_conda_file() -> None:
    assert [m.field for m in read("[numpy]")[1]] == ["conda_file"]


def test_azures_own_packages_are_left_out_with_a_note() -> None:
    definition, mistakes = read(
        "dependencies: [{pip: ['azureml-defaults>=1.0', 'azureml-dataset-runtime[fuse]', six]}]"
    )

    assert mistakes == []
    assert definition.requirements == ("pip", "six")
    assert definition.notes == (
        "Left out: azureml-dataset-runtime, azureml-defaults (only Azure's own run-time needs it).",
    )


def test_libraries_that_wheels_bring_are_left_out_whatever_their_version() -> None:
    definition, mistakes = read("dependencies: [cudatoolkit=11.8, openssl=1.1.1w=h7f8727e_0, six]")

    assert mistakes == []
    assert definition.requirements == ("six",)
    assert any("cudatoolkit" in note for note in definition.notes)
    assert any("openssl" in note for note in definition.notes)


def test_the_ignored_conda_names_mean_nothing_under_pip() -> None:
    assert read("dependencies: [{pip: [tzdata]}]")[0].requirements == ("pip", "tzdata")


def test_variables_private_channels_and_build_strings_are_noted() -> None:
    definition, mistakes = read("""
        channels: [corp, conda-forge]
        variables: {MODE: fast}
        dependencies: [numpy=1.24.3=py310_0]
    """)

    assert mistakes == []
    assert definition.requirements == ("numpy==1.24.3",)
    assert ["corp" in definition.notes[0], "environment_variables" in definition.notes[1]] == [True, True]
    assert definition.notes[2] == "Build strings were dropped: numpy py310_0."


@pytest.mark.parametrize(
    "text",
    [
        "dependencies: !!bool x",
        "dependencies: !!timestamp x",
        "dependencies: " + "[" * 5000,
        "dependencies: !!int x",
        "dependencies:\n- &a [*a]",
        "\n".join(
            ["dependencies:", "- &a0 [x, x]", *(f"- &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 30))]
        ),
    ],
)
def test_a_conda_file_that_yaml_itself_stumbles_over_is_a_mistake(text: str) -> None:
    _, mistakes = read(text)

    assert [mistake.field for mistake in mistakes] == ["conda_file"]
