"""How the embedded server proves itself on loopback: a certificate of a CA that was made for it alone and is gone.

The CA's private key lives in memory while the one server certificate is signed, and is never written anywhere; with
its critical name constraints, a client that trusts `ca.pem` trusts it for this machine's loopback names only.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from batchyard.identity.owner_files import OWNER_ONLY, replace_file

_DAYS_VALID = 825
_DAYS_LEFT_TO_RENEW = 30
_NAMES = ("localhost",)
_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the certificates lie. ca: for clients; server, key: for the server, the key readable by the owner only."""

    ca: Path
    server: Path
    key: Path


def ensure_certificates(home: Path, *, now: datetime.datetime) -> CertificateFiles:
    """Give the home's certificates, made anew when missing, unreadable, not belonging together or soon expired.

    now: aware, UTC. Not safe against a second caller at once: the caller holds the home's lock.
    """
    folder = home / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    files = CertificateFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if not _are_good(files, now):
        _make(files, now)
    return files


def _are_good(files: CertificateFiles, now: datetime.datetime) -> bool:
    try:
        authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
        server = x509.load_pem_x509_certificate(files.server.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        server.verify_directly_issued_by(authority)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    last_day = min(authority.not_valid_after_utc, server.not_valid_after_utc)
    first_day = max(authority.not_valid_before_utc, server.not_valid_before_utc)
    is_current = first_day <= now and now + datetime.timedelta(days=_DAYS_LEFT_TO_RENEW) < last_day
    is_private = not files.key.stat().st_mode & 0o077
    return is_current and is_private and key.public_key() == server.public_key()


def _make(files: CertificateFiles, now: datetime.datetime) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    server = _server(authority, authority_key, server_key.public_key(), now)
    private = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # An end between these leaves files that do not belong together, which the next start sees and makes anew.
    replace_file(files.key, private, mode=OWNER_ONLY)
    replace_file(files.server, server.public_bytes(serialization.Encoding.PEM), mode=0o644)
    replace_file(files.ca, authority.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "batchyard loopback CA")])
    permitted: list[x509.GeneralName] = [x509.DNSName(host) for host in _NAMES]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in _ADDRESSES]
    return (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
) -> x509.Certificate:
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in _NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in _ADDRESSES]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder(subject, authority.subject, public_key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # A clock that was set back a little must not make the certificate one of the future.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS_VALID))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
