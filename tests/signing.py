"""Content credentials by the C2PA's own library: what a picture is signed with, what becomes of it.

The certificates are made here, and trusted here only. Nothing is asked of a network.
"""

import io
from datetime import UTC, datetime, timedelta
from functools import cache

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLAIM = {
    "claim_generator_info": [{"name": "a test", "version": "1"}],
    "title": "a picture",
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": (
                            "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
                        ),
                    }
                ]
            },
        }
    ],
}


def sign(png: bytes) -> bytes:
    """The same picture with a manifest, in a ``caBX`` chunk, and a signature over its bytes."""
    chain, key, _ = _certificates()
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)
    signed = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(_CLAIM) as builder:
        builder.sign(signer, "image/png", io.BytesIO(png), signed)
    return signed.getvalue()


def state(picture: bytes, media_type: str = "image/png") -> str | None:
    """``Trusted`` where nothing is wrong, ``Invalid`` where the bytes are others than were signed.

    ``None`` where nothing is signed.
    """
    _, _, anchor = _certificates()
    settings = c2pa.Settings.from_dict(
        {"trust": {"trust_anchors": anchor}, "verify": {"verify_trust": True}}
    )
    try:
        with (
            c2pa.Context(settings) as context,
            c2pa.Reader(media_type, io.BytesIO(picture), context=context) as reader,
        ):
            return reader.get_validation_state()
    except c2pa.C2paError.ManifestNotFound:
        return None


@cache
def _certificates() -> tuple[bytes, bytes, str]:
    """A chain, the leaf first, the key of the leaf, and the authority, all as PEM."""
    root_key, leaf_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    root_name, leaf_name = _name("A test authority"), _name("A test signer")
    root = (
        _certificate(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _certificate(leaf_name, root_name, leaf_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = leaf.public_bytes(pem) + root.public_bytes(pem)
    return chain, key, root.public_bytes(pem).decode()


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "mai tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _usage(**uses: bool) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})
