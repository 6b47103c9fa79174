"""The certificates of the embedded server."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import stat
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from batchyard.identity.certificates import CertificateFiles, ensure_certificates

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(files: CertificateFiles) -> list[bytes]:
    return [path.read_bytes() for path in (files.ca, files.server, files.key)]


def test_certificates_are_made_once(tmp_path: Path) -> None:
    first = contents(ensure_certificates(tmp_path, now=NOW))

    assert contents(ensure_certificates(tmp_path, now=NOW + datetime.timedelta(days=100))) == first


def test_only_the_owner_can_read_the_key_and_the_key_of_the_ca_is_nowhere(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, now=NOW)

    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "tls").iterdir()) == ["ca.pem", "server.key", "server.pem"]
    assert b"PRIVATE" not in files.ca.read_bytes() + files.server.read_bytes()


def test_the_ca_is_constrained_to_loopback_names(tmp_path: Path) -> None:
    constraints = load(ensure_certificates(tmp_path, now=NOW).ca).extensions.get_extension_for_class(
        x509.NameConstraints
    )

    assert constraints.critical
    permitted = [name.value for name in constraints.value.permitted_subtrees or ()]
    assert permitted == ["localhost", ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("::1/128")]


def test_the_server_certificate_is_good_for_localhost_under_the_ca(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, now=NOW)
    verifier = PolicyBuilder().store(Store([load(files.ca)])).time(NOW)

    for subject in (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))):
        assert verifier.build_server_verifier(subject).verify(load(files.server), [])


def test_openssl_takes_the_files(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, now=NOW)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    server.load_cert_chain(files.server, files.key)
    ssl.create_default_context(cafile=str(files.ca))


def test_expired_certificates_are_made_anew(tmp_path: Path) -> None:
    before = contents(ensure_certificates(tmp_path, now=NOW))
    after = contents(ensure_certificates(tmp_path, now=NOW + datetime.timedelta(days=800)))

    assert before != after


def test_unreadable_certificates_are_made_anew(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, now=NOW)
    files.server.write_bytes(b"torn")

    ensure_certificates(tmp_path, now=NOW)

    assert load(files.server)


def test_files_that_do_not_belong_together_are_made_anew(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, now=NOW)
    (tmp_path / "other").mkdir()
    other = ensure_certificates(tmp_path / "other", now=NOW)
    files.key.write_bytes(other.key.read_bytes())

    remade = ensure_certificates(tmp_path, now=NOW)

    assert remade.key.read_bytes() != other.key.read_bytes()
