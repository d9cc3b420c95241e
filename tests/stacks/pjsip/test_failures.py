"""PJSIP's status codes in words that say what happened and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pjsua2 as pj
import pytest

from softphone.stacks.pjsip import failures
from softphone.stacks.pjsip.failures import Fault, certificate_fault, status_fault, text_fault

OS = 120000


@pytest.fixture(autouse=True)
def texts() -> Iterator[None]:
    """PJSIP's texts need an endpoint object, not a running one."""
    endpoint = pj.Endpoint()
    yield
    del endpoint


@pytest.mark.parametrize(
    ("number", "cause", "advice"),
    [
        (errno.ECONNREFUSED, "refused", "registrar"),
        (errno.ENETUNREACH, "no route", "network"),
        (errno.EHOSTUNREACH, "no route", "firewall"),
        (errno.ETIMEDOUT, "no answer", "firewall"),
        (errno.EADDRINUSE, "in use", "port"),
        (errno.EADDRNOTAVAIL, "does not exist", "sip.bind"),
        (errno.EMFILE, "open files", "LimitNOFILE"),
    ],
)
def test_faults_of_the_network(number: int, cause: str, advice: str) -> None:
    fault = status_fault(OS + number)
    assert cause in fault.cause
    assert advice in fault.advice


@pytest.mark.parametrize(
    ("status", "cause"),
    [(171100, "password"), (171111, "password"), (171101, "realm")],
)
def test_faults_of_the_digest(status: int, cause: str) -> None:
    assert cause in status_fault(status).cause


@pytest.mark.parametrize("status", [0, 1, -1, 70001, 70015, 171140, 120000, 999999, 2**31 - 1])
def test_every_status_has_a_cause_and_a_cure(status: int) -> None:
    fault = status_fault(status)
    assert fault.cause
    assert fault.advice
    assert "PJ_" not in fault.cause


@pytest.mark.parametrize(
    ("bits", "cause", "advice"),
    [
        (pj.PJ_SSL_CERT_EISSUER_NOT_FOUND, "authority", "tls.ca_file"),
        (pj.PJ_SSL_CERT_EUNTRUSTED, "signed by itself", "tls.ca_file"),
        (pj.PJ_SSL_CERT_EVALIDITY_PERIOD, "expired", "clock"),
        (pj.PJ_SSL_CERT_EIDENTITY_NOT_MATCH, "another host name (a.example)", "tls.server_name"),
        (pj.PJ_SSL_CERT_EREVOKED, "revoked", "mended"),
        (pj.PJ_SSL_CERT_EUNTRUSTED | pj.PJ_SSL_CERT_EIDENTITY_NOT_MATCH, "signed by itself", "tls.ca_file"),
    ],
)
def test_certificates(bits: int, cause: str, advice: str) -> None:
    fault = certificate_fault(bits, "a.example")
    assert fault is not None
    assert cause in fault.cause
    assert advice in fault.advice


def test_a_certificate_without_fault() -> None:
    assert certificate_fault(0) is None


def test_a_reason_phrase_that_names_a_system_error() -> None:
    assert text_fault("Connection refused") == status_fault(OS + errno.ECONNREFUSED)
    assert text_fault("Busy Here") is None
    assert text_fault("") is None


def test_faults_read_as_sentences() -> None:
    for text in (*failures._OS_FAULTS.values(), *failures._TLS_ADVICE.items()):
        assert not any(part.endswith(".") for part in text)
    assert Fault("a", "b") == Fault("a", "b")
