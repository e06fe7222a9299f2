"""Where a destination may lead."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.notify.addresses import is_public, pinned


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:db8::1",
    ],
)
def test_what_is_not_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_on_the_internet_is(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.integers(0, 2**32 - 1))
def test_no_wrapping_makes_an_address_more_public(number: int) -> None:
    plain = IPv4Address(number)
    wrapped = [
        IPv6Address(0xFFFF00000000 + number),
        IPv6Address((0x64FF9B << 96) + number),
        IPv6Address((0x2002 << 112) + (number << 80)),
    ]
    for each in wrapped:
        assert not is_public(each) or is_public(plain)


def test_a_request_goes_to_the_address_under_its_own_name() -> None:
    request = httpx2.Request("POST", "https://hooks.example.com:8443/a?b=c")
    found = pinned(request, ip_address("2606:4700::1111"))
    assert str(found.url) == "https://[2606:4700::1111]:8443/a?b=c"
    assert found.headers["Host"] == "hooks.example.com:8443"
    assert found.extensions["sni_hostname"] == "hooks.example.com"
