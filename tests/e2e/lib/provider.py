# SPDX-License-Identifier: MIT
"""An identity provider: keys that only it has, published as a JSON Web Key Set."""
import json
import os
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER = "https://id.example.com/realms/acme"


def to_jwk(key):
    """The public half, as a JWK."""
    algorithm = jwt.algorithms.ECAlgorithm if hasattr(key, "curve") else jwt.algorithms.RSAAlgorithm
    return json.loads(algorithm.to_jwk(key.public_key()))


def given(members):
    return {name: value for name, value in members.items() if value is not None}


class Provider:
    """Signs as RS256 or ES256. `kids` are those of its two keys; None: a key without one. `like`
    lends another one's keys."""

    def __init__(self, path, rsa_kid="rsa/1+=", ec_kid="ec", like=None):
        self.path, self.kids = path, {"RS256": rsa_kid, "ES256": ec_kid}
        self.keys = dict(like.keys) if like else {
            "RS256": rsa.generate_private_key(65537, 2048),
            "ES256": ec.generate_private_key(ec.SECP256R1())}

    def set(self, **members):
        """The key set; `members` go into each key."""
        return {"keys": [
            given({**to_jwk(key), "kid": self.kids[alg], **members})
            for alg, key in self.keys.items()]}

    def publish(self, content=None):
        """As the recipe does it: whole or not at all. `content` is a set, or text."""
        content = self.set(use="sig") if content is None else content
        text = content if isinstance(content, str) else json.dumps(content)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(text)
        os.rename(temporary, self.path)

    def sign(self, alg="RS256", header=(), **claims):
        """A token; a claim or a member of the header given as None is left out."""
        payload = {"iss": ISSUER, "exp": int(time.time()) + 600, "sub": "auth0|5f7c8ec7", **claims}
        return jwt.encode(given(payload), self.keys[alg], alg,
                          given({"kid": self.kids[alg], **dict(header)}))
