"""Tokens as the bytes that they stand for, and bytes as text with the span of each."""

from __future__ import annotations

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes, as the ByteLevel pre-tokenizer uses them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    stand_ins = {chr(byte): byte for byte in printable}
    return stand_ins | {chr(256 + i): byte for i, byte in enumerate(others)}


_ALPHABET = _byte_alphabet()


def token_bytes(token: str) -> bytes:
    """The bytes that a token stands for, unless it is a special one."""
    return bytes(_ALPHABET[character] for character in token)


def decode_utf8(data: bytes) -> tuple[str, list[tuple[int, int]]]:
    """The text, and for every byte the span of the character that it belongs to.

    A run of bytes that is not UTF-8 becomes one U+FFFD.
    """
    characters: list[str] = []
    spans: list[tuple[int, int]] = []
    position = 0
    while position < len(data):
        length = _character_length(data, position)
        if length:
            characters.append(data[position : position + length].decode())
        elif not (spans and spans[-1][1] == len(characters) and characters[-1] == REPLACEMENT):
            characters.append(REPLACEMENT)
        spans += [(len(characters) - 1, len(characters))] * max(length, 1)
        position += max(length, 1)
    return "".join(characters), spans


def _character_length(data: bytes, position: int) -> int:
    """The bytes of the valid character that begins here, or 0."""
    for length in range(1, 5):
        try:
            decoded = data[position : position + length].decode()
        except UnicodeDecodeError:
            continue
        return length if len(decoded) == 1 else 0
    return 0
