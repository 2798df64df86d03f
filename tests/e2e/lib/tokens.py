# SPDX-License-Identifier: MIT
"""Keys and tokens: good ones from PyJWT, forged ones by hand."""
import base64
import functools
import hashlib
import hmac
import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ALGORITHMS = {"hs": "HS256", "rs": "RS256", "es": "ES256"}


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def write_secret(path, data):
    path.touch(0o600)
    path.write_bytes(data)
    return path


@functools.cache
def rsa_key():
    """One for all stacks of a process: to make one takes a second."""
    return rsa.generate_private_key(65537, 2048)


class Keys:
    """One key of each algorithm under the kids hs, rs and es. The workers get the RSA key's
    public half only."""

    def __init__(self, directory):
        self.rsa = rsa_key()
        self.public = public_pem(self.rsa)
        self.signing = {"hs": secrets.token_hex(32).encode(), "rs": private_pem(self.rsa),
                        "es": private_pem(ec.generate_private_key(ec.SECP256R1()))}
        self.files = {kid: directory / f"{kid}.key" for kid in ALGORITHMS}
        for kid, path in self.files.items():
            write_secret(path, self.public if kid == "rs" else self.signing[kid])

    def specs(self):
        return " ".join(f"{kid}:{ALGORITHMS[kid]}:{path}" for kid, path in self.files.items())

    def sign(self, claims, key="hs", **header):
        """A token signed with that key; a header member given as None is left out."""
        header = {"kid": key, **header}
        return jwt.encode(claims, self.signing[key], ALGORITHMS[key], {
            name: value for name, value in header.items() if value is not None})

    def forge(self, header, payload, secret=None, digest=hashlib.sha256):
        """A token with any header and payload (objects, or bytes as they are) under an HMAC."""
        signed = b".".join(base64.urlsafe_b64encode(
            part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=")
            for part in (header, payload))
        mac = hmac.new(self.signing["hs"] if secret is None else secret, signed, digest).digest()
        return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def claims(user_id="u1", ttl=600, **more):
    """Claims of a good token; a claim given as None is left out."""
    all_claims = {"user_id": user_id, "exp": int(time.time()) + ttl, **more}
    return {name: value for name, value in all_claims.items() if value is not None}
