"""Data channels between Chromium and the source, which echoes every message."""

import pytest

from conftest import wait_until

KINDS = {
    "ordered": {},
    "unordered": {"ordered": False},
    "maxRetransmits": {"ordered": False, "maxRetransmits": 3},
    "no retransmits": {"ordered": True, "maxRetransmits": 0},
    "maxPacketLifeTime": {"ordered": False, "maxPacketLifeTime": 2000},
    "protocol": {"protocol": "waldo.test.v1"},
}


def test_echoes_every_kind_of_channel_and_message(source, viewer):
    page = viewer(source("--size", "320x240"))
    page.connect(video=False, channels=[{"label": label, **options} for label, options in KINDS.items()])
    results = page.run(
        """async () => {
          const results = {};
          for (const channel of viewer.channels) {
            const text = await viewer.echo(channel, 'Grüße, 世界 🤖');
            const emptyText = await viewer.echo(channel, '');
            results[channel.label] = { text, emptyText, one: await viewer.bytesComeBack(channel, 1),
              empty: await viewer.bytesComeBack(channel, 0), packetful: await viewer.bytesComeBack(channel, 1200),
              some: await viewer.bytesComeBack(channel, 70000), protocol: channel.protocol };
          }
          return results;
        }""")
    for label, options in KINDS.items():
        expected = {
            "text": "Grüße, 世界 🤖", "emptyText": "", "one": "same", "empty": "same", "packetful": "same", "some": "same",
            "protocol": options.get("protocol", ""),
        }
        assert results[label] == expected, label


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
def test_carries_256_kib(source, viewer, ordered):
    page = viewer(source("--size", "320x240"))
    page.connect(channels=[{"label": "large", "ordered": ordered}])
    assert page.run("() => viewer.pc.sctp.maxMessageSize") >= 262_144
    for _ in range(4):
        assert page.run("() => viewer.bytesComeBack(viewer.channels[0], 262144)") == "same"


def test_keeps_the_order_of_a_thousand_messages(source, viewer):
    page = viewer(source("--size", "320x240"))
    page.connect(video=False, channels=[{"label": "order"}])
    seen = page.run(
        """() => viewer.within(20, 'a thousand echoes', new Promise(resolve => {
          const [channel] = viewer.channels, seen = [];
          channel.onmessage = event => { seen.push(Number(event.data)); if (seen.length === 1000) resolve(seen); };
          for (let at = 0; at < 1000; at++) channel.send(String(at));
        }))""")
    assert seen == list(range(1000))


def test_opens_many_channels_and_closes_them(source, viewer):
    page = viewer(source("--size", "320x240"))
    page.connect(video=False, channels=[{"label": f"channel {number}"} for number in range(60)])
    echoes = page.run("() => Promise.all(viewer.channels.map((channel, at) => viewer.echo(channel, `message ${at}`)))")
    assert echoes == [f"message {number}" for number in range(60)]
    page.run("() => Promise.all(viewer.channels.map(channel => { const done = viewer.closed(channel); channel.close(); return done; }))")
    # The identifiers are free again, and the association lives on.
    for round in range(3):
        assert page.run(
            """async () => {
              const channel = viewer.pc.createDataChannel('again'); channel.binaryType = 'arraybuffer';
              await viewer.opened(channel);
              const echo = await viewer.echo(channel, 'still here');
              const done = viewer.closed(channel); channel.close(); await done;
              return echo;
            }""") == "still here", round


def test_opens_a_channel_later_without_negotiation(source, viewer):
    page = viewer(source("--size", "320x240"))
    page.connect(channels=[{"label": "first"}])
    page.run(
        """async () => { const channel = viewer.pc.createDataChannel('later', { ordered: false });
          channel.binaryType = 'arraybuffer'; viewer.channels.push(channel); await viewer.opened(channel); }""")
    assert page.run("() => viewer.echo(viewer.channels[1], 'late')") == "late"
    assert page.run("() => viewer.echo(viewer.channels[0], 'early')") == "early"


def test_server_end_closes_channels_and_connection(source, viewer):
    server = source("--size", "320x240")
    page = viewer(server)
    page.connect(channels=[{"label": "end"}])
    location = page.run("() => viewer.location")
    assert server.request("DELETE", location).status == 200
    page.run("() => viewer.closed(viewer.channels[0])")
    # By close_notify, at once; Chromium's connectionState follows only when ICE misses us, seconds later.
    wait_until(lambda: page.run("() => viewer.pc.sctp.transport.state") == "closed", "the viewer learns of the end", timeout=3)
    wait_until(lambda: server.metrics()["waldo_peers"] == 0, "the peer is forgotten")
    assert server.request("DELETE", location).status == 404


def test_browser_close_is_noticed(source, viewer):
    server = source("--size", "320x240")
    page = viewer(server)
    page.connect(channels=[{"label": "end"}])
    assert server.metrics()["waldo_peers_connected"] == 1
    page.run("() => viewer.pc.close()")
    wait_until(lambda: server.metrics()["waldo_peers"] == 0, "the peer is forgotten after close()")
