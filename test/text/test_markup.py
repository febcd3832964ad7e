"""The subset of SSML: what it asks for, and what is refused with its place."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.text import TextError
from malsori.text.markup import (
    BREAKS,
    MOST_CHARACTERS,
    MOST_DEPTH,
    PITCHES,
    RATES,
    VOLUMES,
    Break,
    Manner,
    MarkupError,
    Passage,
    is_ssml,
    read_plain,
    read_ssml,
)


def manner(attributes: str) -> Manner:
    """Return how ``a`` is said in ``<prosody …>``."""
    (part,) = read_ssml(f"<prosody {attributes}>a</prosody>").parts
    assert isinstance(part, Passage)
    return part.manner


def test_every_tag() -> None:
    script = read_ssml(
        '<?xml version="1.0"?>\n<speak version="1.1" xml:lang="en-US" '
        'xmlns="http://www.w3.org/2001/10/synthesis">\n  <p><s>One</s></p> '
        '<break time="300ms"/>two <phoneme alphabet="x-malsori" ph="t ˈu">too</phoneme>\n'
        '<sub alias="World Wide Web">WWW</sub> <prosody rate="50%">slow '
        '<prosody pitch="+2st" volume="-6dB">low</prosody></prosody></speak>'
    )
    slow, low = Manner(speed=0.5), Manner(speed=0.5, pitch=2.0, energy=-6.0)
    assert script.language == "en-US"
    assert script.parts == (
        Passage(text=" \n\nOne\n\n "),
        Break(seconds=0.3),
        Passage(text="two [[t ˈu]] World Wide Web "),
        Passage(text="slow ", manner=slow),
        Passage(text="low", manner=low),
    )


# W3C SSML 1.1, section 3.2.4; the steps' numbers are our own.
@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        *((f'rate="{name}"', Manner(speed=value)) for name, value in RATES.items()),
        *((f'pitch="{name}"', Manner(pitch=value)) for name, value in PITCHES.items()),
        *((f'volume="{name}"', Manner(energy=value)) for name, value in VOLUMES.items()),
        ('rate="80%"', Manner(speed=0.8)),
        ('rate="1.5"', Manner(speed=1.5)),
        ('rate="+20%"', Manner(speed=1.2)),
        ('rate="-20%"', Manner(speed=0.8)),
        ('pitch="-1.5st"', Manner(pitch=-1.5)),
        ('pitch="+100%"', Manner(pitch=12.0)),
        ('pitch="-50%"', Manner(pitch=-12.0)),
        ('volume="+6dB"', Manner(energy=6.0)),
        ("volume='-2.5db'", Manner(energy=-2.5)),
    ],
)
def test_values_of_prosody(attributes: str, wanted: Manner) -> None:
    found = manner(attributes)
    assert (found.speed, found.pitch, found.energy) == pytest.approx(
        (wanted.speed, wanted.pitch, wanted.energy)
    )


def test_prosody_within_prosody_adds_up() -> None:
    inner = read_ssml(
        '<prosody rate="50%" pitch="+2st" volume="+3dB">'
        '<prosody rate="50%" pitch="+2st" volume="+3dB">a</prosody></prosody>'
    ).parts[0]
    assert inner == Passage(text="a", manner=Manner(speed=0.25, pitch=4.0, energy=6.0))


# W3C SSML 1.1, section 3.2.3; the strengths' numbers are our own.
@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ("", BREAKS["medium"]),
        ('time="300ms"', 0.3),
        ('time="1.5s"', 1.5),
        ('time=".5s"', 0.5),
        ('strength="strong" time="2s"', 2.0),
        *((f'strength="{name}"', value) for name, value in BREAKS.items() if value),
    ],
)
def test_breaks(attributes: str, seconds: float) -> None:
    assert read_ssml(f"a<break {attributes}/>b").parts[1] == Break(seconds=seconds)


@pytest.mark.parametrize("nothing", ['strength="none"', 'time="0s"'])
def test_no_break(nothing: str) -> None:
    assert read_ssml(f"a <break {nothing}/>b").parts == (Passage(text="a b"),)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("R & D, 3 < 5 & 7 > 2", "R & D, 3 < 5 & 7 > 2"),
        ("I <3 you", "I <3 you"),
        ("a&b&amp;c &lt;d&gt; &#65;&#x42;", "a&b&c <d> AB"),
        ("AT&T;", None),
        ("<!-- not read -->a", "a"),
        ("<![CDATA[a & b < c]]>", "a & b < c"),
        ('<sub alias="R & D">x</sub>', "R & D"),
        ("말\n  하다", "말 하다"),
    ],
)
def test_signs_that_are_no_markup_are_text(text: str, read: str | None) -> None:
    if read is None:
        with pytest.raises(MarkupError, match="undefined entity"):
            read_ssml(text)
        return
    assert "".join(part.text for part in read_ssml(text).parts) == read  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "말 <emphasis>a</emphasis>",
            r"line 1, column 3: <emphasis> is not known; known: break, p",
        ),
        (
            "<speak>\n말 <break foo='1'/></speak>",
            r"line 2, column 3: <break foo>: no such attribute",
        ),
        ("a<b>c</b>", "line 1, column 2: <b> is not known"),
        ("<p>a", "line 1, column 5: <p> is not closed"),
        ("a &nbsp; b", r"line 1, column 3: not well formed: undefined entity"),
        ("a\x00b", r"line 1, column 2: not well formed"),
        ("\ud800", "half of a surrogate pair"),
        ("<speak>a</speak>b", "column 17: not well formed: junk"),
        ("a<speak>b</speak>", r"column 2: <speak> is the root"),
        ("<p>" * (MOST_DEPTH + 1), f"<p> is more than {MOST_DEPTH} tags deep"),
        ("a" * (MOST_CHARACTERS + 1), f"{MOST_CHARACTERS} is the most"),
        ("<!DOCTYPE speak [<!ENTITY a 'b'>]><speak>&a;</speak>", "column 1: <!DOCTYPE is not read"),
        ("a\n <!ENTITY a 'b'>", "line 2, column 2: <!ENTITY is not read"),
        ("<?php echo ?>a", r"<\?php\?> is not read"),
        ("<break>a</break>", "<break> holds no text"),
        ("<break time='3'/>", "<break time='3'>: write seconds or 300ms"),
        ("<break time='-1s'/>", "<break time='-1s'>"),
        ("<break time='61s'/>", "<break> of 61 s: 60 s is the most"),
        ("<break strength='big'/>", "strength='big'>: write one of none, x-weak"),
        ("<phoneme>a</phoneme>", "<phoneme> needs ph="),
        ("<phoneme ph='a' alphabet='ipa'>a</phoneme>", "alphabet='ipa'>: pronunciations are"),
        ("<phoneme ph='a]] b'>a</phoneme>", "no brackets"),
        ("<phoneme ph='a'><break/></phoneme>", "<break> inside <phoneme>, which holds text only"),
        ("<sub>a</sub>", "<sub> needs alias="),
        ("<prosody>a</prosody>", "<prosody> needs rate, pitch or volume"),
        ("<prosody contour='x'>a</prosody>", "<prosody contour>: no such attribute"),
        ("<prosody rate='-100%'>a</prosody>", "rate='-100%'>: write one of x-slow"),
        ("<prosody rate='0'>a</prosody>", "rate='0'>"),
        ("<prosody pitch='200Hz'>a</prosody>", r"pitch='200Hz'>: write one of .*, or \+2st"),
        ("<prosody volume='silent'>a</prosody>", "volume='silent'>"),
    ],
    ids=lambda value: value[:30].encode("ascii", "backslashreplace").decode(),
)
def test_what_is_not_known_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(MarkupError, match=told):
        read_ssml(text)


def test_speak_is_how_it_is_known() -> None:
    for text in ("<speak>a", ' \n<speak version="1.1">', "<?xml version='1.0'?><!-- a --><speak>"):
        assert is_ssml(text)
    for text in ("speak", "<speaker>", "a<speak>", "<break/>", "< speak>", "<!-- " * 5000):
        assert not is_ssml(text)


def test_tags_in_a_plain_text_are_never_read_aloud() -> None:
    assert read_plain("3 < 5 & <3 >").parts == (Passage(text="3 < 5 & <3 >"),)
    for tag in ("<break time='1s'/>", "</prosody>", "<p>", "<speak>"):
        with pytest.raises(MarkupError, match=r"not read as SSML: .*--ssml \(in Python"):
            read_plain(f"a {tag} b")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(
                ["<", ">", "&", "<p>", "</p>", "<break/>", "a", "말", '"', "<!--", "-->", ";", "/"]
            ),
            max_size=12,
        ).map("".join),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        script = read_ssml(text)
    except TextError:
        return
    assert all(isinstance(part, (Passage, Break)) for part in script.parts)


@pytest.mark.parametrize(
    "piece", ["<", "&", "<p>", "a<!-- -->", "<!--", "<break/>", "<p></p>", "]"]
)
def test_time_is_linear(piece: str) -> None:
    def seconds(letters: int) -> float:
        text = (piece * letters)[:letters]
        start = time.process_time()
        with contextlib.suppress(MarkupError):
            read_ssml(text)
        is_ssml(text)
        return time.process_time() - start

    seconds(100)
    assert min(seconds(80_000) for _ in range(2)) < 10 * seconds(20_000) + 0.1
