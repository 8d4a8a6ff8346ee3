"""Keys and signatures written as one word: base58btc with a leading `z`.

https://www.w3.org/TR/cid-1.0/#multibase-0
"""

from federation.errors import Malformed

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
VALUES = {character: value for value, character in enumerate(ALPHABET)}


def encode(raw: bytes) -> str:
    """`raw` as multibase text, `z…`."""
    number = int.from_bytes(raw, "big")
    characters = []
    while number:
        number, rest = divmod(number, 58)
        characters.append(ALPHABET[rest])
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return "z" + "1" * zeros + "".join(reversed(characters))


def decode(text: object, limit: int) -> bytes:
    """The bytes that `text` stands for.

    Raises Malformed when it is not a base58btc word, or longer than `limit` characters (the work
    grows with the square of the length, so the caller says what can make sense).
    """
    if not isinstance(text, str) or not text.startswith("z") or len(text) < 2:
        raise Malformed("not a base58btc word")
    if len(text) > limit:
        raise Malformed(f"a base58btc word of more than {limit} characters")
    word = text[1:]
    number = 0
    for character in word:
        value = VALUES.get(character)
        if value is None:
            raise Malformed("a character that base58btc does not have")
        number = number * 58 + value
    zeros = len(word) - len(word.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
