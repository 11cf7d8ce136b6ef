"""Offers whose senders never come: they keep nobody out."""

import http.client
import time

from conftest import run_async, wait_until
from station import SMALL, Operator, station  # noqa: F401
from test_up_relay import an_offer

FIELDS = {"Content-Type": "application/sdp"}


def test_an_address_has_few_open_offers_and_a_driver_still_comes(station):
    here = station(*SMALL)
    offer = run_async(an_offer())
    # Those that are older than two seconds give way: a machine that takes longer than that for the first sixteen refuses nothing yet.
    refused = wait_until(lambda: (answer := here.request("POST", "/whep/rover", offer, FIELDS)).status == 429 and answer,
                         "an offer is refused", timeout=60, interval=0)
    assert 1 <= int(refused.headers["Retry-After"]) <= 2
    assert b"too_many_offers" in refused.text and b"16 offers from 127.0.0.1" in refused.text
    assert here.metrics()["waldo_offers_open"] <= 16
    assert len([1 for robot in here.json("/api/robots")["robots"] if robot["viewers"] <= 16]) == 1

    # Whoever comes back as told is let in, and drives.
    async def play():
        async with Operator(here, patience=60) as ada:
            await ada.creep(0.02)

    run_async(play(), timeout=240)
    figures = here.metrics()
    assert figures['waldo_offers_total{outcome="refused"}'] >= 1 and figures['waldo_offers_total{outcome="gave_way"}'] >= 1


def test_a_table_full_of_dead_offers_has_a_place_for_who_comes(station):
    here = station(*SMALL)
    offer = run_async(an_offer())
    began = time.monotonic()
    # 127/8 is all ours: sixteen addresses with sixteen offers each.
    for number in range(256):
        connection = http.client.HTTPConnection("127.0.0.1", here.port, timeout=30, source_address=(f"127.0.1.{1 + number // 16}", 0))
        connection.request("POST", "/whep/rover", offer, FIELDS)
        assert connection.getresponse().read() and connection.sock is not None
        connection.close()
    # An offer lives for 15 s: a machine that took longer never had a full table.
    if time.monotonic() - began < 12:
        assert here.json("/api/robots")["robots"][0]["viewers"] == 256

    async def play():
        async with Operator(here, patience=60) as ada:
            await ada.acquire()

    run_async(play(), timeout=120)
