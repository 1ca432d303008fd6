"""Keys and buttons: what each does, what is refused, and that a method that cannot be built is passed over."""

from __future__ import annotations

import threading

import pytest

from tests.live.fakes import LABELS, LOOK, FakeExplainer, counted
from vidcam.cam import METHODS
from vidcam.errors import UsageError
from vidcam.live.controls import HELP, KEYS, MESSAGE, REQUESTS, VIEWS, Controls, LiveSettings
from vidcam.live.explaining import Explaining
from vidcam.live.slot import Slot
from vidcam.render import colormap_names


class Clock:
    now = 10.0

    def __call__(self) -> float:
        return self.now


def make(**changes) -> tuple[Controls, Clock]:
    clock = Clock()
    settings = LiveSettings(**{"look": LOOK, "method": "gradcam", "target": "top", **changes})
    return Controls(settings, threading.Condition(), clock), clock


def test_the_help_lists_every_key():
    listed = " ".join(keys for keys, _ in HELP).replace(",", " ").split()
    named = {" ": "space", "\x1b": "Esc"}
    assert set(listed) == {named.get(key, key) for key in KEYS if key != "="}


def test_pause_overlay_and_help_turn_over():
    controls, _ = make()
    for key, name in ((" ", "paused"), ("o", "overlay"), ("h", "help")):
        before = getattr(controls.settings, name)
        controls.press(key)
        assert getattr(controls.settings, name) is not before
        controls.press(key)
        assert getattr(controls.settings, name) is before


def test_methods_colormaps_and_views_go_round():
    controls, _ = make()
    for key, names, present in (
        ("m", list(METHODS), lambda: controls.settings.method),
        ("c", list(colormap_names()), lambda: controls.settings.look.colormap),
        ("v", list(VIEWS), lambda: controls.settings.look.view),
    ):
        first = present()
        seen = []
        for _ in names:
            controls.press(key)
            seen.append(present())
        assert seen[-1] == first
        assert sorted(seen) == sorted(names)


def test_alpha_stays_between_0_and_1():
    controls, _ = make()
    for _ in range(12):
        controls.press("+")
    assert controls.settings.look.alpha == 1.0
    for _ in range(12):
        controls.press("-")
    assert controls.settings.look.alpha == 0.0
    controls.press("=")
    assert controls.settings.look.alpha == 0.1


def test_lock_takes_the_present_class_and_lets_it_go():
    controls, _ = make()
    controls.press("t")
    assert controls.settings.target == "top"  # nothing was seen yet
    controls.seen((2,), LABELS)
    controls.press("t")
    assert controls.settings.target == (2,)
    assert controls.message == f"locked to {LABELS[2]}"
    controls.press("t")
    assert controls.settings.target == "top"
    given, _ = make(target="dog")
    given.press("t")
    assert given.settings.target == "top"


def test_requests_are_handed_out_once():
    controls, _ = make()
    for key in "sssrq":
        controls.press(key)
    assert controls.requests() == ["snapshot", "record", "quit"]
    assert controls.requests() == []
    assert set(REQUESTS) <= set(KEYS.values())


def test_an_unknown_key_brings_a_message_that_goes_away():
    controls, clock = make()
    controls.press("x")
    assert controls.message == "key x does nothing; h lists the keys"
    clock.now += MESSAGE
    assert controls.message == ""
    for key in ("\x00", "\xe1"):  # keys without a letter, such as shift
        controls.press(key)
        assert controls.message == ""
    controls.press("H")
    assert controls.settings.help


@pytest.mark.parametrize(
    ("action", "value", "message"),
    [
        ("dance", None, "action 'dance' is unknown"),
        ("method", "gradcan", "'gradcan' is unknown"),
        ("colormap", 7, "7 is unknown"),
        ("view", "timeline", "'timeline' is unknown"),
        ("alpha", "much", "alpha 'much' is no number"),
        ("alpha", float("nan"), "alpha nan is no number"),
        ("alpha", True, "alpha True is no number"),
        ("alpha", None, "alpha None is no number"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(action, value, message):
    controls, _ = make()
    before = controls.settings
    with pytest.raises(UsageError, match=message):
        controls.do(action, value)
    assert controls.settings == before


def test_values_are_set_as_given():
    controls, _ = make()
    for action, value in (("method", "layercam"), ("colormap", "turbo"), ("view", "heatmap"), ("alpha", 0.75)):
        controls.do(action, value)
    s = controls.settings
    assert (s.method, s.look.colormap, s.look.view, s.look.alpha) == ("layercam", "turbo", "heatmap", 0.75)
    controls.do("alpha", 7)
    assert controls.settings.look.alpha == 1.0


def explaining(controls: Controls, make=FakeExplainer) -> tuple[Explaining, Slot, Slot]:
    wake = threading.Condition()
    frames, maps = Slot(wake), Slot(wake)
    return Explaining(make, frames, maps, controls), frames, maps


def test_each_frame_is_explained_once_and_again_when_method_or_target_change():
    controls, _ = make()
    explain, frames, maps = explaining(controls)
    assert not explain.step()
    frames.put(counted(5), 1.0)
    assert explain.step()
    assert not explain.step()
    assert (maps.newest().time, maps.newest().value.frame) == (1.0, 1)
    controls.press("m")
    assert explain.step()
    assert maps.newest().value.settings.method == "gradcam++"
    controls.press("t")
    assert explain.step()
    assert maps.newest().value.explanation.targets == ((5 % 3,),)
    controls.press("o")
    assert not explain.step()


def test_a_method_that_this_network_lacks_is_said_and_passed_over():
    controls, _ = make(method="reciprocam")
    explain, frames, maps = explaining(controls)
    frames.put(counted(5), 1.0)
    explain.step()
    controls.press("m")  # round to cam, which the fake refuses
    assert controls.settings.method == "cam"
    explain.step()
    assert controls.settings.method == "reciprocam"
    assert controls.message == "cam: this network has another head; use gradcam"
    assert "cam" not in controls.methods
    controls.press("m")
    assert controls.settings.method == "gradcam"
    frames.put(counted(6), 2.0)
    assert explain.step()
    assert maps.newest().value.settings.method == "gradcam"


def test_a_target_that_the_model_lacks_ends_the_session():
    controls, _ = make(target="elephant")
    explain, _, _ = explaining(controls)
    explain.run(threading.Event())
    assert isinstance(explain.failure, UsageError)
    assert "elephant" in str(explain.failure)
    controls, _ = make(target="cat/dog")
    explain, _, _ = explaining(controls)
    explain.run(threading.Event())
    assert str(explain.failure).startswith("--target cat/dog: live explains one target")


def test_building_says_what_it_is_busy_with():
    controls, _ = make()
    said = []

    def slow(method: str) -> FakeExplainer:
        said.append(explain.busy)
        return FakeExplainer(method)

    explain, frames, _ = explaining(controls, slow)
    frames.put(counted(1), 1.0)
    explain.step()
    assert explain.busy == ""
    controls.do("method", "hirescam")
    explain.step()
    assert said == ["loading the model", "building HiResCAM"]
    assert explain.busy == ""
