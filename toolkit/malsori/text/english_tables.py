"""Written forms and the words that English readers say for them.

Sources: units and prefixes, The International System of Units (BIPM, 9th edition, 2019); codes of
currencies, ISO 4217; names of Greek letters, The Unicode Standard.
"""

from __future__ import annotations

from typing import NamedTuple

from malsori.text.tables import word_set

ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "drs": "doctors", "co": "company",
    "jr": "junior", "sr": "senior", "maj": "major", "gen": "general", "rev": "reverend",
    "lt": "lieutenant", "hon": "honorable", "sgt": "sergeant", "capt": "captain", "esq": "esquire",
    "ltd": "limited", "inc": "incorporated", "corp": "corporation", "col": "colonel",
    "prof": "professor", "messrs": "messieurs", "vs": "versus", "dept": "department",
    "gov": "governor", "sen": "senator", "rep": "representative", "pres": "president",
    "etc": "et cetera", "vol": "volume", "vols": "volumes", "approx": "approximately",
    "est": "established", "cf": "compare", "ca": "circa", "viz": "namely", "al": "al",
    "ave": "avenue", "blvd": "boulevard", "rd": "road", "hwy": "highway", "mt": "mount",
    "ft": "fort", "apt": "apartment",
    "tel": "telephone", "ext": "extension", "govt": "government", "bldg": "building",
    "univ": "university", "assn": "association", "bros": "brothers",
    "jan": "january", "feb": "february", "apr": "april", "aug": "august",
    "sept": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
"""What a stop follows; ``Dr.``, ``St.``, ``No.`` and others are read by their neighbours."""

COUNTED = {
    "no": "number", "nos": "numbers", "p": "page", "pp": "pages", "fig": "figure",
    "figs": "figures", "ch": "chapter", "sec": "section", "art": "article", "eq": "equation",
}  # fmt: skip
"""What a stop and a number follow."""

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
WEEKDAYS = {
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday",
    "thur": "Thursday", "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday",
}  # fmt: skip


class Currency(NamedTuple):
    """How amounts of money are read."""

    one: str
    many: str
    part: str = ""
    """A hundredth; empty where nobody counts them."""
    parts: str = ""


_DOLLAR = ("dollar", "dollars", "cent", "cents")
CURRENCIES = {
    "$": Currency(*_DOLLAR),
    "£": Currency("pound", "pounds", "penny", "pence"),
    "€": Currency("euro", "euros", "cent", "cents"),
    "¥": Currency("yen", "yen"),
    "₩": Currency("won", "won"),
    "₹": Currency("rupee", "rupees", "paisa", "paise"),
    "₽": Currency("ruble", "rubles"),
}
CODES = {
    "USD": Currency("US dollar", "US dollars", "cent", "cents"),
    "EUR": CURRENCIES["€"],
    "GBP": CURRENCIES["£"],
    "JPY": CURRENCIES["¥"],
    "KRW": CURRENCIES["₩"],
    "INR": CURRENCIES["₹"],
    "CNY": Currency("yuan", "yuan"),
    "CHF": Currency("Swiss franc", "Swiss francs"),
    "CAD": Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": Currency("Australian dollar", "Australian dollars", "cent", "cents"),
}
DOLLARS = {
    "US": "US", "A": "Australian", "C": "Canadian", "CA": "Canadian", "HK": "Hong Kong",
    "NZ": "New Zealand", "S": "Singapore", "NT": "New Taiwan",
}  # fmt: skip
"""What stands before a dollar sign."""
SCALES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
    "bn": "billion", "b": "billion", "B": "billion", "tn": "trillion", "T": "trillion",
}  # fmt: skip

_PREFIXES = {
    "p": "pico", "n": "nano", "μ": "micro", "m": "milli", "k": "kilo", "M": "mega", "G": "giga",
    "T": "tera",
}  # fmt: skip
_SCALED = {
    "m": ("meter", "n μ m k"), "g": ("gram", "μ m k"), "L": ("liter", "μ m"),
    "l": ("liter", "μ m"), "s": ("second", "n μ m"), "Hz": ("hertz", "k M G T"),
    "W": ("watt", "m k M G T"), "Wh": ("watt hour", "k M G T"), "V": ("volt", "m k"),
    "A": ("ampere", "μ m"), "Ah": ("ampere hour", "m"), "Ω": ("ohm", "k M"),
    "Pa": ("pascal", "k M"),
    "J": ("joule", "k M"), "N": ("newton", "k"), "F": ("farad", "p n μ"), "B": ("byte", "k M G T"),
    "bit": ("bit", "k M G T"), "eV": ("electronvolt", "k M G"), "cal": ("calorie", "k"),
}  # fmt: skip
_ALONE = frozenset({"m", "g", "L", "l", "s", "Hz", "W", "Wh", "V", "Ω", "Pa", "bit", "eV", "cal"})
_OTHER_UNITS = {
    "cm": "centimeter", "cl": "centiliter", "dl": "deciliter", "hPa": "hectopascal",
    "KB": "kilobyte", "ha": "hectare", "mi": "mile", "yd": "yard", "yds": "yard", "ft": "foot",
    "lb": "pound", "lbs": "pound", "oz": "ounce", "gal": "gallon", "pt": "pint", "qt": "quart",
    "h": "hour", "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "sec": "second",
    "secs": "second", "dB": "decibel", "cc": "cubic centimeter", "bar": "bar", "psi": "P S I",
    "ppm": "part per million", "mph": "mile per hour", "kph": "kilometer per hour",
    "kmh": "kilometer per hour", "rpm": "revolution per minute", "bpm": "beat per minute",
    "fps": "frame per second", "kbps": "kilobit per second", "Mbps": "megabit per second",
    "Gbps": "gigabit per second", "px": "pixel", "dpi": "dot per inch", "mol": "mole", "lx": "lux",
    "ct": "carat", "tsp": "teaspoon", "tbsp": "tablespoon", "sqft": "square foot",
    "sq ft": "square foot", "sq m": "square meter",
    "sq km": "square kilometer", "sq mi": "square mile",
}  # fmt: skip
UNITS = {
    **{unit: name for unit, (name, _) in _SCALED.items() if unit in _ALONE},
    **{
        prefix + unit: _PREFIXES[prefix] + name
        for unit, (name, prefixes) in _SCALED.items()
        for prefix in prefixes.split()
    },
    **_OTHER_UNITS,
}
"""A unit to its singular."""
DOTTED_UNITS = {"in": "inch"} | {
    unit: UNITS[unit]
    for unit in (
        "ft",
        "lb",
        "lbs",
        "oz",
        "yd",
        "mi",
        "gal",
        "qt",
        "tsp",
        "tbsp",
        "hr",
        "hrs",
        "min",
    )
}
"""Those that a stop may follow; ``in`` is a unit only with one."""
UNCHANGED = frozenset({"hertz", "lux", "P S I"})
"""Last words of units that have no plural of their own."""
PLURALS = {"foot": "feet", "inch": "inches", "lux": "lux"}

STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California",
    "CO": "Colorado", "CT": "Connecticut", "DE": "Delaware", "DC": "D C", "FL": "Florida",
    "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana",
    "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine",
    "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada",
    "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York",
    "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon",
    "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
    "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia",
    "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip
"""What stands before a postal code of the United States."""

GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        (
            *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"),
            *("kappa", "lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "tau"),
            *("upsilon", "phi", "chi", "psi", "omega"),
        ),
        strict=True,
    )
)
SYMBOLS = {
    "&": "and", "+": "plus", "=": "equals", "%": "percent", "‰": "per mille", "@": "at",
    "#": "number", "/": "", "°": "degrees", "$": "dollars", "£": "pounds", "€": "euros",
    "¥": "yen", "₩": "won", "₹": "rupees", "₽": "rubles", "¢": "cents", "×": "times",
    "÷": "divided by", "§": "section", "¶": "paragraph", "±": "plus or minus",
    "≈": "approximately", "≠": "is not equal to", "≤": "less than or equal to",
    "≥": "greater than or equal to", "→": "to", "∞": "infinity", "√": "square root of",
    "–": "-", "—": "-", "―": "-", "⁄": "over", "∕": "over",
    **dict.fromkeys("()[]{}<>|_*\\^•·", ""),
}  # fmt: skip
"""Read wherever they stand alone; brackets and ornaments are passed over."""

REGNAL = word_set(
    "Adrian Albert Alexander Alfonso Baldwin Benedict Boniface Carlos Catherine Charles "
    "Christian Clement Constantine Darius David Edward Elizabeth Felipe Ferdinand Francis "
    "Frederick Friedrich George Gregory Gustav Haakon Harald Henry Innocent Ivan James John "
    "Joseph Juan Julius Leo Leopold Louis Ludwig Malcolm Margrethe Mary Mehmed Murad Napoleon "
    "Nicholas Olav Otto Paul Pedro Peter Philip Pius Ptolemy Ramesses Ramses Richard Robert "
    "Rudolf Selim Sixtus Stephen Suleiman Thutmose Umberto Urban Victor Wilhelm William "
    "Xerxes"
)
"""Names of kings, queens and popes: a Roman numeral behind them is an ordinal."""
NUMBERED = word_set(
    "Act Appendix Article Book Bowl Chapter Class Figure Grade Level Part Phase Scene Section "
    "Stage Table Title Type Volume War"
)
"""A Roman numeral behind them is a cardinal, ``I`` and single letters too."""

PRONUNCIATIONS = {
    "covid": "k ˈoʊ v ɪ d", "centi": "s ˈɛ n t ɪ", "deci": "d ˈɛ s ɪ",
    "electronvolt": "ɪ l ˈɛ k t ɹ ɑ n v ˌoʊ l t",
    "farad": "f ˈæ ɹ ə d", "giga": "ɡ ˈɪ ɡ ə", "hecto": "h ˈɛ k t ə", "jpeg": "d͡ʒ ˈeɪ p ˌɛ ɡ",
    "json": "d͡ʒ ˈeɪ s ə n", "miz": "m ˈɪ z",
    "paisa": "p ˈaɪ s ə", "paise": "p ˈaɪ s ə", "tera": "t ˈɛ ɹ ə", "viz": "v ˈɪ z",
}  # fmt: skip
"""Words above that the lexicon lacks, as Merriam-Webster says them."""

CORRECTIONS = {
    "fi": "f ˈaɪ", "ios": "ˌaɪ ˌoʊ ˈɛ s", "proceed": "p ɹ oʊ s ˈi d", "sci": "s ˈaɪ",
    "tarry": "t ˈɛ ɹ i", "wi": "w ˈaɪ",
}  # fmt: skip
"""Where the lexicon has another word's pronunciation; Merriam-Webster."""
