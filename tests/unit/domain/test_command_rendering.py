"""Commands with values put in: run by a real shell, no value is ever more than a value."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.domain.pipelines.components import InputPort, OutputPort, PortType, Signature, command_mistakes
from batchyard.domain.pipelines.expressions import expressions_of, render_command, unread, whole_expression
from batchyard.domain.pipelines.shell_quotes import Place

X = ("inputs", "x")
SHOW = f"{sys.executable} -S -c 'import sys; sys.stdout.write(chr(0).join(sys.argv[1:]))' "
HOSTILE = [
    "; echo injected",
    "$(echo injected)",
    "`echo injected`",
    "' ; echo injected ; '",
    '" ; echo injected ; "',
    "a b\n\tc",
    "*",
    "~",
    "$HOME ${PATH} \\",
    "--flag",
    "",
    "# no comment",
    "${{inputs.x}} $[[ ]]",
    "ünï 🎈",
    "EOF\necho injected",
]


def run(command: str, **values: str | None) -> list[str]:
    rendered = render_command(command, {("inputs", name): value for name, value in values.items()})
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **rendered.variables}
    done = subprocess.run(["sh", "-c", rendered.text], env=environment, capture_output=True, check=True, timeout=60)
    return done.stdout.decode().split("\0")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        ("${{inputs.x}}", "", ""),
        ("a${{ inputs.x }}b", "a", "b"),
        ('"a ${{inputs.x}} b"', "a ", " b"),
        ("'a ${{inputs.x}} b'", "a ", " b"),
        ("'it'\\''s'${{inputs.x}}", "it's", ""),
        ('"quote \\" ${{inputs.x}}"', 'quote " ', ""),
        ("\\'${{inputs.x}}", "'", ""),
        ('"$(printf "%s." ${{inputs.x}})"', "", "."),
        ("\"$(printf '%s.' '${{inputs.x}}')\"", "", "."),
        ('"`printf "%s." ${{inputs.x}}`"', "", "."),
    ],
)
def test_a_value_stays_one_word_wherever_it_stands(command: str, before: str, after: str, value: str) -> None:
    if command.startswith('"`') and "\n" in value:
        value = value.replace("\n", " ")
    assert run(SHOW + command, x=value) == [before + value + after]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    values=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), min_size=3, max_size=3)
)
def test_any_text_arrives_as_it_was_given(values: list[str]) -> None:
    command = f"{SHOW} plain ${{{{inputs.a}}}} # it's \"a comment ${{{{inputs.b}}}}\n"
    assert run(command, a=values[0], b=values[1]) == ["plain", values[0]]

    quoted = SHOW + "'${{inputs.a}}'\"${{inputs.b}}\"${{inputs.c}} (x) ".replace("(x)", "x")
    assert run(quoted, a=values[0], b=values[1], c=values[2]) == ["".join(values), "x"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from(["'", '"', "`", "$(", ")", "\\", "#", " ", "a", "\n", "<<E", "${{inputs.x}}"]), max_size=12
    )
)
def test_no_command_of_any_quoting_runs_what_a_value_says(pieces: list[str]) -> None:
    value = "`touch ran`;$(touch ran);'touch ran';\n touch ran\n"
    rendered = render_command("".join(pieces), {X: value})

    assert "touch" not in rendered.text
    assert set(rendered.variables.values()) <= {value}


def test_a_group_goes_where_its_input_is_not_given() -> None:
    command = SHOW + "$[[--mode ${{inputs.mode}}]] $[[ --pair ${{inputs.a}} ${{inputs.mode}}]] end"

    assert run(command, mode="fast one", a="1") == ["--mode", "fast one", "--pair", "1", "fast one", "end"]
    assert run(command, mode=None, a="1") == ["end"]
    assert run(command, mode="x", a=None) == ["--mode", "x", "end"]


def test_numbers_can_be_calculated_with() -> None:
    assert run(SHOW + "$(( ${{inputs.n}} * 2 + (1) ))", n="20") == ["41"]


def test_a_command_over_several_lines_is_one_script() -> None:
    command = f"# don't stumble\nset -e\nif true; then\n  {SHOW}${{{{inputs.x}}}}\nfi\n"
    assert run(command, x="a b") == ["a b"]


def test_an_expression_knows_where_it_stands() -> None:
    found = list(
        expressions_of("a ${{inputs.a}} '${{inputs.b}}' \"${{inputs.c}}\" $(( ${{inputs.d}} )) # ${{inputs.e}}")
    )
    assert [one.place for one in found] == list(Place)
    assert [str(one) for one in found][:2] == ["${{inputs.a}}", "${{inputs.b}}"]


def test_a_text_is_an_expression_only_where_it_is_nothing_else() -> None:
    assert whole_expression(" ${{ parent.jobs.a.outputs.b }} ") == ("parent", "jobs", "a", "outputs", "b")
    assert whole_expression("x${{inputs.a}}") is None
    assert whole_expression("${{inputs.a}}${{inputs.b}}") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("--flag $[[inputs.x]]", ["$[[inputs.x]]"]),
        ("${{inputs.x", ["${{inputs.x"]),
        ("$[[--a ${{inputs.x}}", ["$[[--a"]),
        ("[[ -n $x ]] && echo ${x} $[[--a ${{inputs.x}}]]", []),
    ],
)
def test_what_only_begins_as_an_expression_is_told(text: str, found: list[str]) -> None:
    assert unread(text) == found


SIGNATURE = Signature(
    inputs={
        "data": InputPort(PortType.URI_FOLDER),
        "mode": InputPort(PortType.STRING, is_optional=True),
        "rate": InputPort(PortType.NUMBER, is_optional=True, default=0.5),
    },
    outputs={"out": OutputPort(PortType.URI_FOLDER)},
)


def test_a_command_says_only_what_is_declared() -> None:
    command = "x ${{inputs.data}} ${{outputs.out}} ${{inputs.rate}} $[[-m ${{inputs.mode}}]] $((${{inputs.rate}}))"
    assert command_mistakes(command, SIGNATURE) == []


def test_every_mistake_of_a_command_is_told() -> None:
    command = "x ${{inputs.dato}} ${{inputs.mode}} ${{parent.inputs.data}} ${{search_space.a}} $((${{outputs.out}}))"

    found = {mistake.found: str(mistake) for mistake in command_mistakes(command, SIGNATURE)}

    assert list(found) == [
        "${{inputs.dato}}",
        "${{inputs.mode}}",
        "${{parent.inputs.data}}",
        "${{search_space.a}}",
        "${{outputs.out}} in $((…))",
    ]
    assert "Did you mean 'inputs.data'" in found["${{inputs.dato}}"]
    assert "$[[… ${{inputs.mode}}]]" in found["${{inputs.mode}}"]
