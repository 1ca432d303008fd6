"""Options as values: each checks itself, has a fingerprint, and is a keyword, an option and a word of help at once."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace

import click
import pytest
from click.testing import CliRunner

import vidcam
from vidcam._options import Number, Options, accepts, names_of, option, refuse, take
from vidcam.cam.options import MapOptions
from vidcam.cam.run import ENGINES
from vidcam.cli.options import options_of
from vidcam.errors import UsageError
from vidcam.media.options import READING, MediaOptions
from vidcam.render import Look


@dataclass(frozen=True, slots=True)
class Drink(Options):
    """What a newcomer writes to add options; `size` is one more line and nothing else."""

    kind: str = option("tea", "What is in it.", kind=("tea", "coffee"))
    sugar: int | None = option(None, "Lumps.", kind=Number(0, 5))
    milk: bool = option(True, "With milk.")
    size: float = option(0.2, "Litres.", kind=Number(0, above=True, whole=False))
    table: int = option(1, "Where it is brought to.", kind=Number(1), decides=False)


@click.command()
@options_of(Drink, without=("table",))
def order(**options):
    click.echo(repr(take(Drink, options)))


@accepts(Drink)
def drink(name, *, warm=True, **options):
    """Drinks."""
    made = take(Drink, options)
    refuse(options, "drink", [*inspect.signature(drink).parameters])
    return made


def test_a_field_is_a_keyword_with_its_default_and_its_help():
    assert list(inspect.signature(drink).parameters) == ["name", "warm", "kind", "sugar", "milk", "size", "table"]
    assert inspect.signature(drink).parameters["size"].default == 0.2
    assert "sugar: Lumps." in drink.__doc__
    assert drink("a", sugar=2, size=0.3, kind=None) == Drink(sugar=2, size=0.3)
    with pytest.raises(TypeError, match=r"drink\(\) got an unexpected keyword argument 'suger'; did you mean 'sugar'"):
        drink("a", suger=2)


def test_a_field_is_an_option_of_a_command():
    said = CliRunner().invoke(order, ["--kind", "coffee", "--sugar", "3", "--no-milk", "--size", "0.5"])
    assert said.output.strip() == repr(Drink("coffee", 3, False, 0.5))
    assert CliRunner().invoke(order, []).output.strip() == repr(Drink())
    for wrong in (["--kind", "milk"], ["--sugar", "6"], ["--size", "0"], ["--table", "2"]):
        assert CliRunner().invoke(order, wrong).exit_code == 2
    help = CliRunner().invoke(order, ["--help"]).output
    assert all(text in help for text in ("--milk / --no-milk", "[tea|coffee]", "0<=x<=5", "x>0", "default: tea"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "milk"}, "--kind milk: is unknown; choose one of tea, coffee"),
        ({"sugar": 6}, "--sugar 6: must be from 0 to 5"),
        ({"sugar": 1.5}, "--sugar 1.5: must be a whole number"),
        ({"size": 0}, "--size 0: must be above 0"),
        ({"size": float("nan")}, "--size nan: must be above 0"),
        ({"size": float("inf")}, "--size inf: must be above 0"),
        ({"sugar": "much"}, "--sugar much: must be from 0 to 5"),
    ],
)
def test_a_value_out_of_range_is_one_line_however_it_is_given(wrong, said):
    for make in (Drink, lambda **options: replace(Drink(), **options)):
        with pytest.raises(UsageError) as raised:
            make(**wrong)
        assert str(raised.value) == said


def test_the_fingerprint_is_what_the_output_depends_on():
    assert Drink(table=3).fingerprint() == {"kind": "tea", "sugar": None, "milk": True, "size": 0.2}
    assert MapOptions(batch_size=4).fingerprint() == MapOptions().fingerprint()
    assert MapOptions(layer=["a", "b"], method=["cam", "gradcam"], target=["cat", 3]).fingerprint() == {
        **MapOptions().fingerprint(), "layer": "a,b", "method": "cam,gradcam", "target": ["cat", 3]
    }  # fmt: skip


def test_options_are_values():
    """They can be keys, also where a list was given."""
    assert len({MapOptions(layer=["a"]), MapOptions(layer="a"), MapOptions(target=[1, 2]), Look(), MediaOptions()}) == 4


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (MapOptions, {"method": "gradkam"}, "gradkam"),
        (MapOptions, {"method": []}, "method"),
        (MapOptions, {"engine": "abacus"}, "engine"),
        (MapOptions, {"top_channels": 3}, "scorecam"),
        (MapOptions, {"method": "eigencam", "against": True}, "against"),
        (MapOptions, {"batch_size": 0}, "--batch-size 0: must be at least 1"),
        (Look, {"colormap": "mud"}, "mud"),
        (Look, {"alpha": 1.5}, "--alpha 1.5: must be from 0 to 1"),
        (Look, {"normalize": "fixed=0"}, "fixed"),
        (Look, {"smooth": -1}, "--smooth -1: must be at least 0"),
        (MediaOptions, {"start": 2, "end": 1}, "--end 1"),
        (MediaOptions, {"crf": 52}, "--crf 52: must be from 0 to 51"),
        (MediaOptions, {"preset": "warp"}, "--preset warp"),
    ],
)
def test_each_object_checks_itself(kind, wrong, said):
    with pytest.raises(UsageError, match=said):
        kind(**wrong)


def test_what_the_options_name_is_what_there_is():
    kinds = {name: field.metadata["kind"] for name, field in MapOptions.__dataclass_fields__.items()}
    assert kinds["engine"] == ENGINES


def test_no_option_has_two_owners():
    names = names_of(MapOptions, Look, MediaOptions)
    assert len(names) == len(set(names))


def test_comparing_takes_what_is_about_maps_and_reading_alone():
    names = {*names_of(MapOptions), *READING, "fps"} - {"explain"}
    assert names == set(inspect.signature(vidcam.compare).parameters) - {
        "source",
        "models",
        "make_explainer",
        "progress",
    }
    for wrong in ("crf", "explain", "smooth", "output"):
        with pytest.raises(TypeError, match=f"compare.. got an unexpected keyword argument '{wrong}'"):
            vidcam.compare("a.gif", ["a.keras", "b.keras"], **{wrong: 3})
    with pytest.raises(TypeError, match="'strid'; did you mean 'stride'"):
        vidcam.compare("a.gif", ["a.keras", "b.keras"], strid=3)


@pytest.mark.parametrize("function", [vidcam.run, vidcam.run_batch])
def test_an_unknown_keyword_is_a_type_error_before_anything_is_read(function):
    with pytest.raises(TypeError, match="'fsp'; did you mean 'fps'"):
        function("a.gif", "b.gif", fsp=3)
    assert set(names_of(MapOptions, Look, MediaOptions)) < set(inspect.signature(function).parameters)
