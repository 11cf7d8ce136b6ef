"""webrtcbin as a WHEP viewer; run as a program of its own, so that GStreamer's faults stay there.

usage: gst_viewer.py URL h264|vp8 FRAMES    prints `frames N WIDTHxHEIGHT` and ends with 0 once that many were decoded"""

import sys
import time
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

url, codec, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
Gst.init(None)
pipeline = Gst.Pipeline.new()
webrtc = Gst.ElementFactory.make("webrtcbin")
webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
pipeline.add(webrtc)
loop = GLib.MainLoop()
frames, size, fault = 0, None, None


def fail(text):
    global fault
    fault = fault or text
    loop.quit()


def on_frame(sink, buffer, pad):
    global frames, size
    frames += 1
    structure = pad.get_current_caps().get_structure(0)
    size = f"{structure.get_value('width')}x{structure.get_value('height')}"
    if frames >= wanted:
        loop.quit()


def on_pad(_, pad):
    if pad.get_direction() != Gst.PadDirection.SRC:
        return
    decode = {"vp8": "rtpvp8depay ! vp8dec", "h264": "rtph264depay ! h264parse ! openh264dec"}[codec]
    chain = Gst.parse_bin_from_description(f"queue ! {decode} ! fakesink name=sink sync=false signal-handoffs=true", True)
    pipeline.add(chain)
    chain.get_by_name("sink").connect("handoff", on_frame)
    chain.sync_state_with_parent()
    pad.link(chain.get_static_pad("sink"))


def exchange():
    """The offer with its candidates, once they are all there."""
    if webrtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        return
    offer = webrtc.get_property("local-description").sdp.as_text()
    request = urllib.request.Request(url, method="POST", data=offer.encode(), headers={"Content-Type": "application/sdp"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            answer = response.read()
    except Exception as error:
        return fail(f"{error}: {getattr(error, 'read', lambda: b'')()!r}\n{offer}")
    _, message = GstSdp.SDPMessage.new()
    GstSdp.sdp_message_parse_buffer(answer, message)
    description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
    webrtc.emit("set-remote-description", description, Gst.Promise.new())


def on_offer(promise, *_):
    # The reply owns what it holds: it has to live as long.
    promise.wait()
    reply = promise.get_reply()
    offer = reply["offer"] if hasattr(reply, "__getitem__") else reply.get_value("offer")
    webrtc.emit("set-local-description", offer, Gst.Promise.new())


def on_message(_, message):
    if message.type == Gst.MessageType.ERROR:
        error, detail = message.parse_error()
        fail(f"{error}: {detail}")


webrtc.connect("pad-added", on_pad)
webrtc.connect("notify::ice-gathering-state", lambda *_: GLib.idle_add(exchange))
bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message", on_message)
encoding = {"vp8": "VP8", "h264": "H264,packetization-mode=(string)1,profile-level-id=(string)42e01f"}[codec]
caps = Gst.Caps.from_string(
    f"application/x-rtp,media=video,encoding-name={encoding},payload=96,clock-rate=90000,rtcp-fb-nack-pli=true,rtcp-fb-nack=true")
transceiver = webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, caps)
transceiver.set_property("do-nack", True)
pipeline.set_state(Gst.State.PLAYING)
webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer))
GLib.timeout_add_seconds(25, lambda: fail("25 s have passed"))
loop.run()
state = webrtc.get_property("connection-state").value_nick
pipeline.set_state(Gst.State.NULL)
print(f"frames {frames} {size} connection {state}", flush=True)
if fault and frames < wanted:
    print(fault, file=sys.stderr)
    sys.exit(1)
