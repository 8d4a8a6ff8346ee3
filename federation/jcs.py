"""One spelling for every JSON document, so that two servers hash the same bytes.

RFC 8785, JSON Canonicalization Scheme. https://www.rfc-editor.org/rfc/rfc8785
"""

from json.encoder import encode_basestring
from math import isfinite

from federation.errors import Malformed

DEEPEST = 64


def canonical(value: object) -> bytes:
    """`value` (as `json` reads it) in canonical form.

    Raises Malformed for what has no canonical form: NaN and Infinity, lone surrogates, whole
    numbers that a double cannot hold exactly, keys that are not text, other Python types, and
    anything nested more than 64 deep.
    """
    parts: list[str] = []
    _write(value, parts, DEEPEST)
    try:
        return "".join(parts).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("half of a surrogate pair stands alone") from error


def _write(value: object, parts: list[str], depth: int) -> None:
    if isinstance(value, str):
        parts.append(encode_basestring(value))
    elif isinstance(value, dict):
        _write_object(value, parts, depth - 1)
    elif isinstance(value, list | tuple):
        _write_array(value, parts, depth - 1)
    elif value is None:
        parts.append("null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int):
        parts.append(_whole(value))
    elif isinstance(value, float):
        parts.append(_number(value))
    else:
        raise Malformed(f"{type(value).__name__} is not a JSON value")


def _write_object(members: dict[object, object], parts: list[str], depth: int) -> None:
    if depth < 0:
        raise Malformed(f"nested more than {DEEPEST} deep")
    parts.append("{")
    comma = ""
    for key in sorted(members, key=_utf16):
        parts.append(comma)
        parts.append(encode_basestring(str(key)))
        parts.append(":")
        _write(members[key], parts, depth)
        comma = ","
    parts.append("}")


def _write_array(values: list[object] | tuple[object, ...], parts: list[str], depth: int) -> None:
    if depth < 0:
        raise Malformed(f"nested more than {DEEPEST} deep")
    parts.append("[")
    comma = ""
    for value in values:
        parts.append(comma)
        _write(value, parts, depth)
        comma = ","
    parts.append("]")


def _utf16(key: object) -> bytes:
    # Section 3.2.3: keys are ordered by their UTF-16 code units, not by their code points.
    if not isinstance(key, str):
        raise Malformed("a key that is not text")
    try:
        return key.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise Malformed("half of a surrogate pair stands alone") from error


def _whole(number: int) -> str:
    # A reader that keeps big whole numbers and one that rounds them to a double would hash the
    # same bytes for different documents: section 3.1 wants such numbers written as text. Taken is
    # what a double holds exactly, and what ECMAScript itself would have written.
    try:
        double = float(number)
    except OverflowError as error:
        raise Malformed("a number that a double cannot hold") from error
    written = _number(double)
    if int(double) != number and written != str(number):
        raise Malformed("a whole number that a double cannot hold exactly")
    return written


def _number(double: float) -> str:
    """As ECMAScript writes it (Number::toString): fewest digits, exponent from 1e21 and 1e-7 on."""
    if not isfinite(double):
        raise Malformed("NaN and Infinity are not JSON")
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    mantissa, _, exponent = repr(abs(double)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)  # where the decimal point stands, counted in digits
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"
