"""Settings: precedence, components, strict types, and messages that name the setting."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.config import (
    Bytes,
    Choice,
    Seconds,
    choice,
    field_docs,
    from_dict,
    load,
    merge,
    preset,
    read_choice,
    to_dict,
    to_yaml,
)
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class Small:
    """A component."""

    channels: int = 8
    """Channels."""
    slope: float = 0.1
    """Slope."""

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ConfigError(f"channels: must be at least 1, got {self.channels}")


@dataclass(frozen=True, kw_only=True)
class Large:
    """Another component."""

    channels: int = 512
    """Channels."""
    depth: int = 4
    """Layers."""


SMALL = Entry(config=Small, build=lambda config, **context: (config, context), summary="small")
LARGE = Entry(config=Large, build=lambda config, **context: (config, context), summary="large")
PARTS = Registry("part", {"small": f"{__name__}:SMALL", "large": f"{__name__}:LARGE"})


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A group of settings."""

    size: int = 1
    """How large;

    in two paragraphs."""
    part: Choice = choice(PARTS, "large")
    """Nested component."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything."""

    seed: int = 1
    """Random: # with signs, "quotes" and 한글."""
    lr: float = 1e-3
    """Step."""
    name: str = "run"
    """Word."""
    quick: bool = False
    """Switch."""
    limit: float | None = None
    """Optional."""
    every: Seconds = 60.0
    """Time."""
    memory: Bytes = 1000
    """Size."""
    mode: Literal["slow", "fast"] = "slow"
    """One of two."""
    sizes: tuple[int, ...] = (1, 2)
    """List."""
    dilations: tuple[tuple[int, ...], ...] = ((1, 3),)
    """List of lists."""
    weights: dict[str, float] = field(default_factory=dict)
    """Mapping."""
    inner: Inner = Inner(size=7)
    """Group with a default of its own."""
    part: Choice = choice(PARTS, "small")
    """Component."""


def write(folder: Path, **files: str) -> Path:
    """Write YAML files and return the path of the first."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / f"{next(iter(files))}.yaml"


def message(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(Settings, None, overrides)
    return str(caught.value)


def test_defaults_inherited_files_file_and_overrides_win_in_this_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        run="inherit: [one.yaml, two.yaml]\nlr: 3\n",
        one="seed: 10\nlr: 10\nname: one\nlimit: 10\n",
        two="inherit: zero.yaml\nlr: 20\nname: two\n",
        zero="name: zero\nsizes: [0]\n",
    )
    loaded = load(Settings, path, ["limit=4", "limit=5"])
    assert loaded.quick is False  # default
    assert loaded.seed == 10  # first inherited file
    assert loaded.sizes == (0,)  # inherited by the inherited
    assert loaded.name == "two"  # the later file of the list
    assert loaded.lr == 3.0  # the file itself
    assert loaded.limit == 5.0  # the last override


def test_inherit_is_relative_to_the_file_that_says_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, base="seed: 4\n")
    path = write(tmp_path / "deep", run="inherit: ../base.yaml\n")
    assert load(Settings, path).seed == 4


def test_the_same_file_may_be_inherited_on_two_ways(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        run="inherit: [a.yaml, b.yaml]\n",
        a="inherit: base.yaml\n",
        b="inherit: base.yaml\n",
        base="seed: 4\n",
    )
    assert load(Settings, path).seed == 4


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"run": "inherit: run.yaml"}, "run.yaml: inherits from itself"),
        ({"run": "inherit: a.yaml", "a": "inherit: run.yaml"}, "run.yaml: inherits from itself"),
        ({"run": "inherit: gone.yaml"}, "gone.yaml: no such config file"),
        ({"run": "inherit: 5"}, "inherit: expected a file or a list of files, got 5"),
        ({"run": "inherit: [1]"}, "inherit: expected a file or a list of files, got [1]"),
        ({"run": "inherit:"}, "inherit: expected a file or a list of files, got None"),
        ({"run": "[1, 2]"}, "expected a mapping of settings, got [1, 2]"),
        ({"run": "seed: [1"}, "not YAML"),
        ({"run": "seed: 2020-99-99"}, "not YAML"),
        ({"run": "seed: !!python/name:os.system"}, "not YAML"),
        ({"run": "seed: 1\nlr: 2\nseed: 3\n"}, "seed: given twice, second time in line 3"),
        ({"run": "inner:\n  size: 1\n  size: 1\n"}, "size: given twice, second time in line 3"),
        ({"run": "{[1, 2]: 3}"}, "line 1: a key has to be a name"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Settings, write(tmp_path, **files))
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(Settings, write(tmp_path, run="# nothing\n")) == Settings()


def test_a_file_that_is_no_text_or_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"run\.yaml: not YAML"):
        load(Settings, tmp_path / "run.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Settings, tmp_path)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sed=1", "sed: unknown key; did you mean 'seed'?"),
        ("inner.siz=1", "inner.siz: unknown key; did you mean 'size'?"),
        ("inner.part.dept=1", "inner.part.dept: unknown key; did you mean 'depth'?"),
        ("part.zzz=1", "part.zzz: unknown key; known: channels, slope"),
        ("part.channels=wide", "part.channels: expected int, got 'wide'"),
        ("inner.part.channels=wide", "inner.part.channels: expected int, got 'wide'"),
        ("part.channels=0", "part.channels: must be at least 1, got 0"),
        ("seed=true", "seed: expected int, got True"),
        ("seed=1.5", "seed: expected int, got 1.5"),
        ("lr=true", "lr: expected float, got True"),
        ("lr=fast", "lr: expected float, got 'fast'"),
        ("lr=.nan", "lr: expected a finite number, got nan"),
        ("lr=inf", "lr: expected a finite number, got inf"),
        ("name=3", "name: expected str, got 3"),
        ("quick=1", "quick: expected bool, got 1"),
        ("limit=no way", "limit: expected float, got 'no way'"),
        ("every=3 parsec", "every: expected time, got '3 parsec'"),
        ("every=true", "every: expected time, got True"),
        ("memory=much", "memory: expected size, got 'much'"),
        ("mode=middle", "mode: expected one of slow, fast, got 'middle'"),
        ("sizes=3", "sizes: expected list of int, got 3"),
        ("sizes=[1, two]", "sizes[1]: expected int, got 'two'"),
        ("dilations=[[1], [2, x]]", "dilations[1][1]: expected int, got 'x'"),
        ("weights=[1]", "weights: expected mapping of float, got [1]"),
        ("weights.mel=x", "weights.mel: expected float, got 'x'"),
        ("inner=3", "inner: expected a mapping of settings, got 3"),
        ("part=3", "part: expected a name or a mapping with 'name', got 3"),
        ("part.name=3", "part.name: expected one of small, large, got 3"),
        ("part=smal", "part.name: no part named 'smal': did you mean 'small'? known: small, large"),
        ("seed", "override 'seed': write it as key.path=value"),
        ("=1", "override '=1': write it as key.path=value"),
        ("a..b=1", "override 'a..b=1': write it as key.path=value"),
        (".seed=1", "override '.seed=1': write it as key.path=value"),
        ("seed=[1", "override 'seed=[1': the value is not YAML"),
        ("inner={size: 1, size: 2}", "size: given twice, second time in line 1"),
    ],
)
def test_a_wrong_override_is_told_with_its_full_path(override: str, said: str) -> None:
    assert message(override) == said


def test_an_empty_value_is_null() -> None:
    assert load(Settings, None, ["limit="]).limit is None
    assert message("seed=") == "seed: expected int, got None"


def test_a_missing_setting_is_named() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needs:
        folder: str

    with pytest.raises(ConfigError, match=r"^out\.folder: must be set$"):
        from_dict(Needs, {}, "out")


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("lr=2e-4", "lr", 2e-4),  # PyYAML gives text for this
        ("lr=2", "lr", 2.0),
        ("limit=1e3", "limit", 1000.0),
        ("every=3 min", "every", 180.0),
        ("every=1.5 hours", "every", 5400.0),
        ("every=20", "every", 20.0),
        ("memory=4 GB", "memory", 4_000_000_000),
        ("memory=1 KiB", "memory", 1024),
        ("memory=12", "memory", 12),
        ("name=a=b", "name", "a=b"),
        ("sizes=[]", "sizes", ()),
        ("dilations=[[1, 2], [3]]", "dilations", ((1, 2), (3,))),
        ("weights={mel: 45}", "weights", {"mel": 45.0}),
    ],
)
def test_values_are_read_as_their_type_says(override: str, name: str, value: Any) -> None:
    found = getattr(load(Settings, None, [override]), name)
    assert found == value and type(found) is type(value)


def test_settings_of_a_group_keep_the_defaults_of_their_place() -> None:
    assert load(Settings, None, ["inner.part.depth=9"]).inner.size == 7


TREES = {
    "a name of another component drops the settings": (
        "part: {name: large, depth: 9}",
        "part: {name: small}",
        Choice("small", Small()),
    ),
    "so does a bare name": (
        "part: {name: large, depth: 9}",
        "part: small",
        Choice("small", Small()),
    ),
    "settings without a name belong to the default": (
        "part: {slope: 3}",
        "part: {name: large}",
        Choice("large", Large()),
    ),
    "settings without a name, then a bare name": (
        "part: {channels: 3}",
        "part: large",
        Choice("large", Large()),
    ),
    "settings without a name, then the default's": (
        "part: {slope: 3}",
        "part: {name: small, channels: 4}",
        Choice("small", Small(slope=3.0, channels=4)),
    ),
    "the same name merges": (
        "part: {name: large, depth: 9, channels: 1}",
        "part: {name: large, channels: 2}",
        Choice("large", Large(depth=9, channels=2)),
    ),
    "the same bare name merges": (
        "part: {name: large, depth: 9}",
        "part: large",
        Choice("large", Large(depth=9)),
    ),
    "a bare name is refined": (
        "part: large",
        "part: {depth: 9}",
        Choice("large", Large(depth=9)),
    ),
    "a bare name is refined by name": (
        "part: large",
        "part: {name: large, depth: 9}",
        Choice("large", Large(depth=9)),
    ),
    "settings without a name refine what stands there": (
        "part: {name: large, channels: 3}",
        "part: {depth: 9}",
        Choice("large", Large(channels=3, depth=9)),
    ),
}


@pytest.mark.parametrize(("low", "high", "expected"), TREES.values(), ids=TREES.keys())
@pytest.mark.parametrize("place", ["file", "override"])
def test_components_merge(
    tmp_path: Path, low: str, high: str, expected: Choice, place: str
) -> None:
    if place == "override":
        value = high.removeprefix("part: ")
        path = write(tmp_path, run=low)
        assert load(Settings, path, [f"part={value}"]).part == expected
    else:
        path = write(tmp_path, run=f"inherit: base.yaml\n{high}\n", base=low)
        assert load(Settings, path).part == expected


def test_a_nested_component_without_name_is_its_own_default(tmp_path: Path) -> None:
    path = write(
        tmp_path, run="inherit: base.yaml\ninner: {part: small}", base="inner: {part: {depth: 9}}"
    )
    assert load(Settings, path).inner.part == Choice("small", Small())
    path = write(
        tmp_path, run="inherit: base.yaml\ninner: {part: large}", base="inner: {part: {depth: 9}}"
    )
    assert load(Settings, path).inner.part == Choice("large", Large(depth=9))


def test_a_component_from_elsewhere_is_named_by_its_import_path() -> None:
    chosen = load(Settings, None, [f"part={{name: '{__name__}:LARGE', depth: 2}}"]).part
    assert chosen == Choice(f"{__name__}:LARGE", Large(depth=2))


def test_merge_changes_neither_side() -> None:
    low, high = {"a": {"b": 1}, "c": "x"}, {"a": {"d": 2}, "c": {"e": 3}}
    assert merge(low, high) == {"a": {"b": 1, "d": 2}, "c": {"name": "x", "e": 3}}
    assert low == {"a": {"b": 1}, "c": "x"} and high == {"a": {"d": 2}, "c": {"e": 3}}


@dataclass(frozen=True, kw_only=True)
class Own:
    """A component whose defaults are others here than its own."""

    part: Choice = choice(PARTS, "large", depth=5)
    """Component."""


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ([], Choice("large", Large(depth=5))),
        (["part=large"], Choice("large", Large(depth=5))),
        (["part={}"], Choice("large", Large(depth=5))),
        (["part.name=large"], Choice("large", Large(depth=5))),
        (["part.depth=2"], Choice("large", Large(depth=2))),
        (["part=small"], Choice("small", Small())),
        (["part.depth=2", "part=small"], Choice("small", Small())),
    ],
)
def test_a_field_has_settings_of_its_own_for_its_default_component(
    overrides: list[str], found: Choice
) -> None:
    assert load(Own, None, overrides).part == found
    assert from_dict(Own, to_dict(load(Own, None, overrides))).part == found


def test_read_choice_takes_the_default_name_and_a_ready_choice() -> None:
    assert read_choice(PARTS, {"depth": 2}, "part", "large") == Choice("large", Large(depth=2))
    ready = Choice("small", Small())
    assert read_choice(PARTS, ready, "part") is ready
    with pytest.raises(ConfigError, match=r"part\.name: expected one of small, large, got None"):
        read_choice(PARTS, {"depth": 2}, "part")


finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=8)
settings_strategy = st.builds(
    Settings,
    seed=st.integers(),
    lr=finite,
    name=words,
    quick=st.booleans(),
    limit=st.none() | finite,
    every=finite,
    memory=st.integers(),
    mode=st.sampled_from(["slow", "fast"]),
    sizes=st.lists(st.integers(), max_size=3).map(tuple),
    dilations=st.lists(st.lists(st.integers(), max_size=2).map(tuple), max_size=2).map(tuple),
    weights=st.dictionaries(words, finite, max_size=2),
    inner=st.builds(Inner, size=st.integers()),
    part=st.builds(lambda depth: Choice("large", Large(depth=depth)), st.integers()),
)


@settings(max_examples=30, deadline=None)
@given(settings_strategy)
def test_settings_survive_dict_and_yaml(filled: Settings) -> None:
    assert from_dict(Settings, to_dict(filled)) == filled
    for comments in (False, True):
        assert from_dict(Settings, yaml.safe_load(to_yaml(filled, comments))) == filled


def test_comments_are_the_docstrings_above_their_fields() -> None:
    text = to_yaml(Settings(), comments=True)
    assert '# Random: # with signs, "quotes" and 한글.\nseed: 1\n' in text
    assert "  # How large;\n  #\n  # in two paragraphs.\n  size: 7\n" in text
    assert "part:\n  name: small\n  # Channels.\n  channels: 8\n" in text


def test_field_docs_are_inherited_and_may_be_replaced() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Special(Small):
        """A special one."""

        channels: int = 16
        """More channels."""

    assert field_docs(Special) == {"channels": "More channels.", "slope": "Slope."}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from([f.name for f in dataclasses.fields(Settings)]),
)
def test_whatever_stands_in_a_file_it_is_read_or_refused_with_its_path(
    value: Any, name: str
) -> None:
    said = ""
    try:
        from_dict(Settings, {name: value})
    except ConfigError as error:
        said = str(error)
    assert said == "" or said.startswith(name)


@dataclass(frozen=True, kw_only=True)
class Styled:
    """Settings with a preset."""

    look: Literal["plain", "loud"] = preset("plain", {"loud": {"inner": {"size": 9}}})
    """What the rest looks like."""
    inner: Inner = Inner()
    """Group."""


def test_a_preset_stands_below_what_is_said(tmp_path: Path) -> None:
    assert load(Styled).inner == Inner()
    assert load(Styled, None, ["look=loud"]).inner == Inner(size=9)
    assert load(Styled, None, ["inner.size=3", "look=loud"]).inner.size == 3
    path = tmp_path / "conf.yaml"
    path.write_text("look: loud\ninner: {part: small}\n", encoding="utf-8")
    chosen = load(Styled, path)
    assert chosen.inner.size == 9 and chosen.inner.part.name == "small"
    path.write_text(to_yaml(load(Styled, path, ["inner.size=5"])), encoding="utf-8")
    assert load(Styled, path).inner.size == 5  # what was resolved once stays as it is
    with pytest.raises(ConfigError, match="look"):
        load(Styled, None, ["look=shrill"])


def test_a_large_size_keeps_its_last_byte() -> None:
    large = 2**53 + 1
    assert from_dict(Settings, {"memory": large}).memory == large
