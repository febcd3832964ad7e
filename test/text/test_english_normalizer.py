"""What English readers say for what is written: one table a construct, the source above it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.text import TextError
from malsori.text.english_normalizer import PUNCTUATION, normalize
from malsori.text.english_numbers import MOST_DIGITS, cardinal, fraction, ordinal, roman, year


def table(*rows: tuple[str, str]) -> pytest.MarkDecorator:
    """Return the rows as cases whose ids are the texts."""
    return pytest.mark.parametrize(("text", "words"), rows, ids=[text for text, _ in rows])


# Number words: Merriam-Webster's table of numbers; years: The Chicago Manual of Style, 9.35.
@table(
    ("0", "zero"),
    ("21", "twenty one"),
    ("1,234", "one thousand two hundred thirty four"),
    ("100,000,000", "one hundred million"),
    ("1,234.5", "one thousand two hundred thirty four point five"),
    ("3.14", "three point one four"),
    (".5", "point five"),
    ("007", "zero zero seven"),
    ("-5", "minus five"),
    ("−3.5", "minus three point five"),
    ("1st", "first"),
    ("22nd", "twenty second"),
    ("5th", "fifth"),
    ("20th", "twentieth"),
    ("1,000th", "one thousandth"),
    ("1905", "nineteen oh five"),
    ("2004", "two thousand four"),
    ("1900", "nineteen hundred"),
    ("2010", "twenty ten"),
    ("1960s", "nineteen sixties"),
    ("the '90s", "the nineties"),
    ("the ’90s", "the nineties"),
    ("in '99.", "in ninety nine."),
    ("90s", "nineties"),
    ("10^6", "ten to the power of six"),
    ("x²", "x squared"),
    ("3 < 5 > 2", "three is less than five is greater than two"),
    ("<5%, > $3", "less than five percent, greater than three dollars"),
    ("1000s of", "thousands of"),
    ("3 + 4 = 7", "three plus four equals seven"),
    ("5±2", "five plus or minus two"),
    ("3×4", "three times four"),
    ("4x4", "four by four"),
    ("B52", "B fifty two"),
    ("MP3", "MP three"),
    ("COVID-19", "COVID-nineteen"),
    ("MP3s", "MP threes"),
    ("1st-3rd", "first to third"),
    ("1990s-2000s", "nineteen nineties to two thousands"),
    ("In 1066, he", "In ten sixty six, he"),
    ("1 000 000", "one million"),
    ("10bn, 1.5M", "ten billion, one point five million"),
    ("20k users, 4K", "twenty thousand users, four K"),
    ("1.5e-3", "one point five times ten to the power of minus three"),
    ("~50", "about fifty"),
    ("the 3-year-old", "the three-year-old"),
)
def test_numbers_in_text(text: str, words: str) -> None:
    assert normalize(text) == words


@table(
    ("1/2 cup", "one half cup"),
    ("3/4", "three quarters"),
    ("2/3", "two thirds"),
    ("7/8", "seven eighths"),
    ("½", "one half"),
    ("3½ cups", "three and a half cups"),
    ("3 1/2 miles", "three and a half miles"),
    ("2 3/4", "two and three quarters"),
    ("1 1/8", "one and an eighth"),
    ("120/80", "one hundred twenty over eighty"),
    ("24/7", "twenty four seven"),
    ("50%", "fifty percent"),
    ("0.5 %", "zero point five percent"),
    ("10–20%", "ten to twenty percent"),
    ("3-5", "three to five"),
    ("1990-95", "nineteen ninety to ninety five"),
    ("1990–1995", "nineteen ninety to nineteen ninety five"),
    ("3:1", "three to one"),
)
def test_fractions_percent_and_ranges(text: str, words: str) -> None:
    assert normalize(text) == words


# ISO 8601; numbers with slashes as in the United States (Chicago Manual of Style, 9.35).
@table(
    ("2024-03-05", "March fifth, twenty twenty four"),
    ("3/5/2024", "March fifth, twenty twenty four"),
    ("25/12/2024", "December twenty fifth, twenty twenty four"),
    ("03/05/24", "March fifth, twenty four"),
    ("2024/3/5", "March fifth, twenty twenty four"),
    ("5.3.2024", "March fifth, twenty twenty four"),
    ("March 5, 2024", "March fifth, twenty twenty four"),
    ("March 5th", "March fifth"),
    ("Mar. 5", "March fifth"),
    ("Sept. 11, 2001.", "September eleventh, two thousand one."),
    ("5 March 2024", "the fifth of March, twenty twenty four"),
    ("the 5th of March", "the fifth of March"),
    ("May 3-5", "May third to fifth"),
    ("Jan 2020", "January twenty twenty"),
    ("Jan-Mar", "January to March"),
    ("Mon.-Fri. only", "Monday to Friday only"),
    ("Mon., May 5", "Monday, May fifth"),
    ("13/13/2024", "thirteen thirteen twenty twenty four"),
)
def test_dates(text: str, words: str) -> None:
    assert normalize(text) == words


@table(
    ("10:30", "ten thirty"),
    ("9:05", "nine oh five"),
    ("10:00", "ten o'clock"),
    ("15:00", "fifteen hundred"),
    ("00:30", "zero thirty"),
    ("12:30:15", "twelve thirty and fifteen seconds"),
    ("3pm", "three P M"),
    ("3 p.m. He left.", "three P M. He left."),
    ("at 7:30 a.m. sharp", "at seven thirty A M sharp"),
    ("9 a.m. EST", "nine A M EST"),
    ("10.30 am", "ten thirty A M"),
    ("10am-5pm", "ten A M to five P M"),
    ("9:00-17:00", "nine o'clock to seventeen hundred"),
    ("5 o'clock", "five o'clock"),
)
def test_times(text: str, words: str) -> None:
    assert normalize(text) == words


# Codes of currencies: ISO 4217.
@table(
    ("$1", "one dollar"),
    ("$3.50", "three dollars and fifty cents"),
    ("$1.01", "one dollar and one cent"),
    ("$.50", "fifty cents"),
    ("$1,000.00", "one thousand dollars"),
    ("-$5", "minus five dollars"),
    ("£2 million", "two million pounds"),
    ("£0.01", "one penny"),
    ("$5M", "five million dollars"),
    ("$1.5bn", "one point five billion dollars"),
    ("$5–$10", "five to ten dollars"),
    ("$5-10 million", "five to ten million dollars"),
    ("a $5 bill", "a five dollar bill"),
    ("US$20", "twenty US dollars"),
    ("5 €", "five euros"),
    ("100 USD", "one hundred US dollars"),
    ("EUR 5", "five euros"),
    ("₩5,000", "five thousand won"),
    ("¥100", "one hundred yen"),
    ("5¢", "five cents"),
    ("the $5 million house", "the five million dollar house"),
    ("the $5 he paid", "the five dollars he paid"),
    ("those $5 bills", "those five dollar bills"),
    ("$20-million plan", "twenty million dollar plan"),
    ("$5/month", "five dollars per month"),
    ("€1.234,56", "one thousand two hundred thirty four euros and fifty six cents"),
    ("$3,50", "three dollars and fifty cents"),
)
def test_money(text: str, words: str) -> None:
    assert normalize(text) == words


# The International System of Units, BIPM 2019, and units of the United States.
@table(
    ("5 km", "five kilometers"),
    ("1 kg", "one kilogram"),
    ("1.5 L", "one point five liters"),
    ("60km/h", "sixty kilometers per hour"),
    ("10 m/s", "ten meters per second"),
    ("5 mph", "five miles per hour"),
    ("100 m²", "one hundred square meters"),
    ("5 cm^3", "five cubic centimeters"),
    ("3 GHz", "three gigahertz"),
    ("16GB", "sixteen gigabytes"),
    ("20µm", "twenty micrometers"),
    ("20 kWh", "twenty kilowatt hours"),
    ("-5°C", "minus five degrees Celsius"),
    ("72 ℉", "seventy two degrees Fahrenheit"),
    ("1°", "one degree"),
    ("40° N", "forty degrees north"),
    ("6 ft", "six feet"),
    ("5'10\"", "five feet ten inches"),
    ("5′10″", "five feet ten inches"),
    ("12 in. long", "twelve inches long"),
    ("2 lbs", "two pounds"),
    ("2 tbsp. of", "two tablespoons of"),
    ("6 ft. 1 lb.", "six feet one pound."),
    ("6'2 tall", "six feet two inches tall"),
    ('10" pipe', "ten inch pipe"),
    ('"I got 5" he', '"I got five" he'),
    ("5 km/day", "five kilometers per day"),
    ("5 in May", "five in May"),
)
def test_units(text: str, words: str) -> None:
    assert normalize(text) == words


# ITU-T E.123 for telephone numbers.
@table(
    ("555-1234", "five five five, one two three four"),
    ("(555) 123-4567", "five five five, one two three, four five six seven"),
    ("1-800-555-1234", "one, eight zero zero, five five five, one two three four"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("123-45-6789", "one two three, four five, six seven eight nine"),
    (
        "1234 5678 9012 3456",
        "one two three four, five six seven eight, nine zero one two, three four five six",
    ),
    ("Springfield, IL 62704", "Springfield, Illinois six two seven zero four"),
    ("10.0.0.1", "ten dot zero dot zero dot one"),
    ("call 911 now", "call nine one one now"),
    ("911 people", "nine hundred eleven people"),
    ("Flight 370", "Flight three seventy"),
    ("Room 105", "Room one oh five"),
    ("BA2490", "BA twenty four ninety"),
    ("a B500", "a B five hundred"),
    ("3-4-3", "three, four, three"),
    ("0-306-40615-7", "zero, three zero six, four zero six one five, seven"),
    ("v3.11.2", "version three point eleven point two"),
)
def test_telephone_and_other_codes(text: str, words: str) -> None:
    assert normalize(text) == words


# The abbreviations of the LJ Speech Dataset's readme, and our own.
@table(
    ("Mr. Smith", "mister Smith"),
    ("Mrs Smith", "missus Smith"),
    ("Dr. No", "doctor No"),
    ("Ocean Dr. is long", "Ocean drive is long"),
    ("St. Paul", "saint Paul"),
    ("in St. Louis", "in saint Louis"),
    ("Main St. fell", "Main street fell"),
    ("on 5th St.", "on fifth street."),
    ("etc.", "et cetera."),
    ("e.g. this", "for example this"),
    ("i.e. that", "that is that"),
    ("No. 7", "number seven"),
    ("No. I won't", "No. I won't"),
    ("#7", "number seven"),
    ("pp. 3-5", "pages three to five"),
    ("w/o sugar", "without sugar"),
    ("U.S. law", "U S law"),
    ("a Ph.D.", "a P H D"),
    ("J. Smith", "J Smith"),
    ("J.R.R. Tolkien", "J R R Tolkien"),
    ("one more rep.", "one more rep."),
    ("№ 7", "number seven"),
    ("c. 1850", "circa eighteen fifty"),
    ("two Ph.D.s", "two P H Ds"),
    ("King Jr", "King junior"),
    ("Rep. Smith", "representative Smith"),
)
def test_abbreviations(text: str, words: str) -> None:
    assert normalize(text) == words


@table(
    ("Henry VIII", "Henry the eighth"),
    ("Louis XIV,", "Louis the fourteenth,"),
    ("Elizabeth I.", "Elizabeth the first."),
    ("World War II", "World War two"),
    ("Chapter IV", "Chapter four"),
    ("Part I", "Part one"),
    ("Rocky III", "Rocky three"),
    ("Chapter Ⅳ", "Chapter four"),
    ("Mary and I", "Mary and I"),
    ("Henry VV", "Henry VV"),
    ("X rays", "X rays"),
)
def test_roman_numerals_behind_names(text: str, words: str) -> None:
    assert normalize(text) == words


# RFC 3986 and RFC 5322.
@table(
    ("john.doe@mail.com", "john dot doe at mail dot com"),
    ("See example.org.", "See example dot org."),
    ("https://www.example.com/", "W W W dot example dot com"),
    ("github.com/foo-bar", "github dot com slash foo dash bar"),
    ("http://a.uk/x_1?q=2&b", "a dot U K slash x underscore one question mark q equals two and b"),
    ("well.com mon", "well dot com mon"),
    ("end.Start", "end.Start"),
)
def test_addresses(text: str, words: str) -> None:
    assert normalize(text) == words


@table(
    ("A & B", "A and B"),
    ("R&D", "R and D"),
    ("AT&T", "A T and T"),
    ("C# or .NET", "C sharp or dot NET"),
    ("“well”", '"well"'),
    ("well—yes", "well - yes"),
    ("café", "cafe"),
    ("wait...", "wait…"),
    ("(a) [b] {c}", "a b c"),
    ("a <b> c", "a b c"),
    ("I ♥ NY 😀!", "I NY!"),
    ("👍🏽 ok :)", "ok"),
    ("#music", "hashtag music"),
    ("α to Ω", "alpha to omega"),
    ("Brand™", "Brand"),
    ("THIS IS FOR US", "THIS IS FOR us"),
)
def test_symbols(text: str, words: str) -> None:
    assert normalize(text) == words


@pytest.mark.parametrize("text", ["漢", "Привет", "∑", "١٢"])
def test_what_has_no_reading_is_refused_with_its_word_and_sentence(text: str) -> None:
    with pytest.raises(TextError, match=f"'x{text}' in 'so x{text} it': .*no English reading"):
        normalize(f"so x{text} it")


WRITTEN = st.text("0123456789 .,:/-–$£%°'\"()#@^½amMpsthSIVX<>&", max_size=40)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=40), WRITTEN))
def test_no_digit_and_no_bracket_is_left(text: str) -> None:
    try:
        words = normalize(text)
    except TextError:
        return
    assert words.isascii() or set(words) - {"…"} <= set(map(chr, range(128)))
    assert all(c.isalpha() or c == " " or c in PUNCTUATION for c in words)
    assert words == " ".join(words.split())
    assert normalize(words) is not None  # words have a reading themselves


@pytest.mark.parametrize(
    "piece",
    ["1", "1,111", "1.", "1-", "1/", "1:", "$1", "a.", "e.g.", "a@", "a.a", "St. ", "<a", "May 1 "],
)
def test_time_is_linear(piece: str) -> None:
    def seconds(letters: int) -> float:
        text = (piece * letters)[:letters]
        start = time.process_time()
        normalize(text)
        return time.process_time() - start

    seconds(100)
    assert min(seconds(40_000) for _ in range(2)) < 10 * seconds(10_000) + 0.1


def test_numbers() -> None:
    assert cardinal("1000000") == "one million"
    assert cardinal("1" * (MOST_DIGITS + 1)) == " ".join(["one"] * (MOST_DIGITS + 1))
    assert [ordinal(n) for n in ("1", "12", "30", "101")] == [
        "first",
        "twelfth",
        "thirtieth",
        "one hundred first",
    ]
    assert year("1066") == "ten sixty six"
    assert [fraction(*n) for n in (("1", "2"), ("3", "2"), ("5", "21"))] == [
        "one half",
        "three over two",
        "five twenty firsts",
    ]


def test_roman_numerals_are_the_canonical_ones() -> None:
    written = ["I", "IV", "IX", "XIV", "XL", "XC", "CCCXCIX"]
    assert [roman(each) for each in written] == [1, 4, 9, 14, 40, 90, 399]
    assert not any(roman(each) for each in ("", "IIII", "VX", "IC", "MM", "A", "XIVI"))
