"""Arguments of a parallel step's script, as words."""

import pytest

from batchyard.domain.errors import InvalidInput
from batchyard.domain.pipelines.arguments import outputs_named, words_of

VALUES = {("inputs", "a"): "one two; $(x) 'y'", ("inputs", "gone"): None, ("outputs", "o"): "/link/o"}


def test_each_value_is_one_word_whatever_it_holds() -> None:
    words = words_of("--a ${{inputs.a}} --o=${{ outputs.o }}/x '${{inputs.a}}' \"b c\"", VALUES)

    assert words == ("--a", "one two; $(x) 'y'", "--o=/link/o/x", "one two; $(x) 'y'", "b c")


def test_a_group_goes_where_its_input_is_not_given() -> None:
    assert words_of("$[[--g ${{inputs.gone}}]] $[[--a ${{inputs.a}}]]", VALUES) == ("--a", "one two; $(x) 'y'")


def test_an_open_quote_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"task\.program_arguments"):
        words_of("--a 'b", VALUES)


def test_outputs_are_told_by_their_expressions() -> None:
    assert outputs_named("${{inputs.a}} ${{outputs.o}} --x=${{outputs.p}}/y") == {"o", "p"}
