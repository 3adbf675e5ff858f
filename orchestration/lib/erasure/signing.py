"""Ed25519 signatures of erasure reports: who has the public key can tell that nobody changed one since."""

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from orchestration.lib.settings import Settings

_DOMAIN = b"feedback-attribution erasure report\n"


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The key of FEEDBACK_SIGNING_KEY, or else this installation's, which is made when it is first needed."""
    if settings.signing_key:
        text = settings.signing_key.reveal()
    else:
        path = settings.data_dir / ".keys" / "signing.key"
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii").strip()
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(_DOMAIN + text.encode()).digest())


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    beside.replace(path)


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def is_signed(content: bytes, signature: bytes, pem: bytes) -> bool:
    """Whether a signature is of a content, by the key of which this is the public part."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(signature, _DOMAIN + content)
    except InvalidSignature:
        return False
    return True


def sign(key: Ed25519PrivateKey, content: bytes) -> bytes:
    return key.sign(_DOMAIN + content)
