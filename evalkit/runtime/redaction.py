"""Mask passwords and tokens in whatever is stored, logged or printed; masking twice is masking once."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

MASK = "***"

# Endings of keys that hold a secret: tracker.password, HF_TOKEN, aws_secret_access_key, X-Amz-Signature.
_SECRET_WORD = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?key"
    r"|private[_-]?key|account[_-]?key|client[_-]?secret|signature|sig|authorization"
)
_SECRET_NAME = re.compile(
    rf"(?:.*[^a-z])?(?:{_SECRET_WORD})|.*[a-z](?:Password|Token|Secret|ApiKey|AccessKey|AccountKey)", re.DOTALL
)
# Tokens of a tokenizer and the pooling last_token are no secrets.
_HARMLESS_NAME = re.compile(
    r"(?:.*[^a-z])?(?:bos|eos|cls|sep|pad|mask|unk|last|special|special_tokens?)_token", re.DOTALL
)
_HARMLESS_VALUE = re.compile(r"(?:null|none|true|false|~|\*\*\*|\$\{.*)?", re.IGNORECASE | re.DOTALL)

# In these addresses the part before @ is a name, no credential: git@github.com, container@account (Azure).
_NAMED_USER = re.compile(r"(?:ssh|abfss?|wasbs?)\Z", re.IGNORECASE)

# Bounded repetitions: a long text full of near misses stays linear.
_URI_PASSWORD = re.compile(
    # A port followed by a path that has an @ in it is no password.
    r"(?P<before>://[^\s:/@'\"]{0,200}):(?!\d{1,5}/)[^\s'\"<>]{0,500}@"
)
_URI_USER = re.compile(r"://[^\s:/@'\"?#]{1,500}@")
_KEY_VALUE = re.compile(
    r"(?:(?<![A-Za-z0-9_.\-%])|(?<=%3B)|(?<=%3b)|(?<=%26)|(?<=%3F)|(?<=%3f))(?P<key>[A-Za-z_][A-Za-z0-9_.\-]*)"
    r"(?P<separator>(?:=|%3D|[\"']?[ \t]*[:=](?:[ \t]+|(?=[\"'])))(?:(?:Bearer|Basic|Token)[ \t]+)?)"
    r"(?P<secret>\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|\$?\{[^}\n]*\}|(?:(?!%3B|%26)[^\s&;,'\")\]}])+)",
    re.IGNORECASE,
)
_BEARER = re.compile(
    r"(?P<before>\b(?:Bearer|Basic)[ \t]+)(?P<secret>(?=[^\s'\",]*\d|[^\s'\",]{16})[A-Za-z0-9._~+/=\-]{6,})",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_(?=[A-Za-z0-9]*[0-9A-Z])[A-Za-z0-9]{8,}|hf_[a-z]{20,}"  # Hugging Face
    r"|(?:api_org|org)_[A-Za-z0-9]{30,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_\-]{16,}"  # GitHub, GitLab
    r"|sk-[A-Za-z0-9_\-]{16,}|xox[abeoprs]-[A-Za-z0-9\-]{10,}"
    r"|(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}|AIza[A-Za-z0-9_\-]{30,}|dapi[0-9a-f]{32}(?:-\d+)?"  # AWS, Google, Databricks
    r"|eyJ[A-Za-z0-9_\-]{6,}\.eyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]*"  # JSON web tokens
    r")"
)


def mask(text: str) -> str:
    """Replace the secrets in `text` by ``***``, and leave the rest readable.

    Passwords and lone users in URIs (``user:***@host``), values of keys named like a secret (``?token=***``,
    ``password: ***``), authorisation headers, and strings of the shape of well-known tokens.
    """
    text = _URI_PASSWORD.sub(rf"\g<before>:{MASK}@", text)
    text = _URI_USER.sub(_masked_user, text)
    text = _TOKENS.sub(MASK, text)
    text = _KEY_VALUE.sub(_masked_value, text)
    return _BEARER.sub(rf"\g<before>{MASK}", text)


def _masked_user(match: re.Match[str]) -> str:
    scheme = match.string[max(0, match.start() - 5) : match.start()]
    return match[0] if _NAMED_USER.search(scheme) else f"://{MASK}@"


def _masked_value(match: re.Match[str]) -> str:
    secret = match["secret"]
    quote = secret[0] if secret[0] in {'"', "'"} else ""
    if not names_secret(match["key"]) or _HARMLESS_VALUE.fullmatch(secret.strip(quote) if quote else secret):
        return match[0]
    return f"{match['key']}{match['separator']}{quote}{MASK}{quote}"


def names_secret(key: str) -> bool:
    """Whether a setting of this name holds a secret (``hf_token``, ``password``, ``awsSecretAccessKey``)."""
    forms = (key, key.lower())
    return not _HARMLESS_NAME.fullmatch(key.lower()) and any(_SECRET_NAME.fullmatch(form) for form in forms)


def mask_tree(tree: Any) -> Any:
    """Mask every string in nested mappings, lists and tuples; a string under a secret's name is masked whole."""
    if isinstance(tree, str):
        return mask(tree)
    if isinstance(tree, PurePath):
        masked = mask(str(tree))
        return tree if masked == str(tree) else masked
    if isinstance(tree, Mapping):
        return {mask_tree(key): _masked_entry(key, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(mask_tree(entry) for entry in tree)
    return tree


def _masked_entry(key: Any, value: Any) -> Any:
    secret = isinstance(key, str) and isinstance(value, str | bytes) and value and names_secret(key)
    return MASK if secret else mask_tree(value)
