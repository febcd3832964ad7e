import pickle
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.text import FRONTENDS, FrontEnd, FrontEndConfig, TextError
from malsori.text.english import INVENTORY

pytest.importorskip("gruut_lang_en", reason="the extra [en] is not installed")
pytest.importorskip("pycrfsuite", reason="the extra [en] is not installed")


@pytest.fixture(scope="module")
def en() -> FrontEnd:
    return FRONTENDS.entry("en").build(FrontEndConfig())


def said(en: FrontEnd, text: str) -> str:
    return " ".join(token for word in en(text) for token in word.tokens)


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Printing, modern.", "p ɹ ˈɪ n t ɪ ŋ , m ˈɑ d ɚ n ."),
        ("the cat", "ð ə k ˈæ t"),
        ("the apple", "ð i ˈæ p ə l"),
        ("a cat", "ə k ˈæ t"),
        ("FBI", "ˈɛ f b ˈi ˈaɪ"),
        ("well-known", "w ˈɛ l n ˈoʊ n"),
        ("cat's dog's church's", "k ˈæ t s d ˈɔ ɡ z t͡ʃ ˈɚ t͡ʃ ɪ z"),
        ("don't", "d ˈoʊ n t"),
        ("2 cats", "t ˈu k ˈæ t s"),
    ],
)
def test_words(en: FrontEnd, text: str, phonemes: str) -> None:
    assert said(en, text) == phonemes


# Parts of speech and their pronunciations: gruut-lang-en's lexicon.
@pytest.mark.parametrize(
    ("text", "word", "phonemes"),
    [
        ("I have read it", "read", "ɹ ˈɛ d"),
        ("I will read it", "read", "ɹ ˈi d"),
        ("I read it yesterday", "read", "ɹ ˈɛ d"),
        ("She read it", "read", "ɹ ˈɛ d"),
        ("the record", "record", "ɹ ˈɛ k ɚ d"),
        ("to record", "record", "ɹ ɪ k ˈɔ ɹ d"),
        ("he records it", "records", "ɹ ɪ k ˈɔ ɹ d z"),
        ("we live here", "live", "l ˈɪ v"),
        ("a live show", "live", "l ˈaɪ v"),
        ("live music", "live", "l ˈaɪ v"),
        ("no use", "use", "j ˈu s"),
        ("to use", "use", "j ˈu z"),
        ("Close the door", "Close", "k l ˈoʊ z"),
        ("it is close", "close", "k l ˈoʊ s"),
        ("wound up", "wound", "w ˈaʊ n d"),
        ("a wound", "wound", "w ˈu n d"),
        ("I am content", "content", "k ə n t ˈɛ n t"),
        ("Have you read it?", "read", "ɹ ˈɛ d"),
        ("What do you read?", "read", "ɹ ˈi d"),
        ("who used a pen", "used", "j ˈu z d"),
        ("who used to write", "used", "j ˈu s t"),
        ("is used to write", "used", "j ˈu z d"),
        ("is used to it", "used", "j ˈu s t"),
        ("the real thing", "real", "ɹ ˈi l"),
        ("please proceed", "proceed", "p ɹ oʊ s ˈi d"),
        ("a learned man", "learned", "l ˈɚ n ɪ d"),
        ("I learned a lot", "learned", "l ˈɚ n d"),
        ("a middle-aged man", "aged", "ˈeɪ d͡ʒ d"),
        ("a brain transplant", "transplant", "t ɹ ˈæ n s p l æ n t"),
    ],
)
def test_heteronyms_by_the_words_beside_them(
    en: FrontEnd, text: str, word: str, phonemes: str
) -> None:
    assert [" ".join(w.tokens) for w in en(text) if w.text == word] == [phonemes]


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("NASA", "n ˈæ s ə"),
        ("US", "j ˈu ˈɛ s"),
        ("us", "ˈʌ s"),
        ("plan A", "p l ˈæ n ˈeɪ"),
        ("U.S.A.", "j ˈu ˈɛ s ˈeɪ ."),
        ("3 a.m.", "θ ɹ ˈi ˈeɪ ˈɛ m ."),
        ("URLs", "j ˈu ˈɑ ɹ ˈɛ l z"),
        ("html", "ˈeɪ t͡ʃ t ˈi ˈɛ m ˈɛ l"),
        ("CEOs", "s ˈi ˈi ˈoʊ z"),
        ("ChatGPT", "t͡ʃ ˈæ t d͡ʒ ˈi p ˈi t ˈi"),
        ("macOS", "m ˈæ k ˈoʊ ˈɛ s"),
        ("iPhone", "ˈaɪ f ˌoʊ n"),
        ("McDonald", "m ə k d ˈɑ n ə l d"),
        ("Wi-Fi", "w ˈaɪ f ˈaɪ"),
        ("JPEG", "d͡ʒ ˈeɪ p ˌɛ ɡ"),
        ("COVID", "k ˈoʊ v ɪ d"),
        ("gigahertz", "ɡ ˌɪ ɡ ə h ˈɚ t s"),
    ],
)
def test_letters_and_words_in_capitals(en: FrontEnd, text: str, phonemes: str) -> None:
    assert said(en, text) == phonemes


def test_words_that_normalisation_writes_are_in_the_lexicon(
    monkeypatch: pytest.MonkeyPatch, en: FrontEnd
) -> None:
    from malsori.text import english
    from malsori.text.english_tables import ABBREVIATIONS, CURRENCIES, GREEK, UNITS

    guessed: set[str] = set()
    monkeypatch.setattr(english, "guess", lambda word: guessed.add(word) or ("ə",))
    english._pronounce.cache_clear()
    words = [*UNITS.values(), *GREEK.values(), *(money.many for money in CURRENCIES.values())]
    en.pronounce(" ".join([*words, *ABBREVIATIONS.values()]))
    english._pronounce.cache_clear()
    assert not guessed


def test_unknown_word_is_guessed_from_its_letters(en: FrontEnd) -> None:
    assert said(en, "blorfing") == "b l ˈɔ ɹ f ɪ ŋ"


def test_lexicon_wins_without_case(tmp_path) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text("Malsori\tm ˈɑ l s ɔ ɹ i\nthe\tð ˈʌ\n", encoding="utf-8")
    en = FRONTENDS.entry("en").build(FrontEndConfig(lexicon=str(path)))
    assert said(en, "The malsori") == "ð ˈʌ m ˈɑ l s ɔ ɹ i"


def test_lexicon_with_a_wrong_token_is_refused(tmp_path) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text("cat\tK AE1 T\n", encoding="utf-8")
    with pytest.raises(TextError, match="'K' is not a token"):
        FRONTENDS.entry("en").build(FrontEndConfig(lexicon=str(path)))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=30),
        st.text("aeiotnsr' -.,$£0123456789:%BTh(é", max_size=30),
        st.lists(
            st.sampled_from(
                [
                    "read",
                    "live",
                    "lead",
                    "bow",
                    "Polish",
                    "use",
                    "used",
                    "record",
                    "the",
                    "to",
                    "did",
                    "have",
                    "I",
                    "she",
                    ".",
                    ",",
                    "?",
                    "'",
                    "-",
                    "iOS",
                    "5",
                    "[[",
                    "]]",
                    "{",
                    "}",
                    "[[ə]]",
                    "{t}",
                ]
            ),
            max_size=10,
        ).map(" ".join),
    )
)
def test_every_text_gives_tokens_of_the_inventory_or_a_text_error(text: str) -> None:
    en = FRONTENDS.entry("en").build(FrontEndConfig())
    try:
        words = en(text)
    except TextError:
        return
    assert {token for word in words for token in word.tokens} <= set(INVENTORY)
    assert all(word.tokens for word in words)
    assert not any(c.isdigit() or c in "()[]{}<>" for word in words for c in "".join(word.tokens))
    assert en(unicodedata.normalize("NFD", text)) == words


def test_pronunciations_in_the_text(en: FrontEnd) -> None:
    assert said(en, "the [[ˈæ p ə l]], {t ˈi}!") == "ð i ˈæ p ə l , t ˈi !"
    assert said(en, "the {apple} [[]]") == said(en, "the apple")
    assert en.normalize("5 [[t ˈi]]") == "five [[t ˈi]]"
    with pytest.raises(TextError, match=r"'\[\[t zz\]\]' in .*'zz' is not a token"):
        en("a [[t zz]]")
    with pytest.raises(TextError, match="only letters and punctuation"):
        en.pronounce("the [[ ]]")


def test_pickled_front_end_reads_the_same(en: FrontEnd) -> None:
    assert pickle.loads(pickle.dumps(en))("blorfing cats") == en("blorfing cats")  # noqa: S301


def test_foreign_script_is_refused(en: FrontEnd) -> None:
    with pytest.raises(TextError, match=r"'한국'.*'in 한국'"):
        en("in 한국")


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, en: FrontEnd) -> None:
    from malsori.text import english

    english.lexicon.cache_clear()
    english._pronounce.cache_clear()
    english.heteronyms.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "gruut_lang_en", None)
    with pytest.raises(TextError, match=r"pip install 'malsori\[en\]'"):
        en("cat")
