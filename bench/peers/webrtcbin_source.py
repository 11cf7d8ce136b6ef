"""GStreamer's webrtcbin as a WHEP server: one encoder, a tee, a webrtcbin for each viewer.

usage: webrtcbin_source.py --port N --codec h264|vp8"""

import argparse
import http.server
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

from picture import Picture

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--codec", choices=["h264", "vp8"], default="h264")
parser.add_argument("--rtp-port", type=int, help="only send RTP to this port of this machine: a source for others")
options = parser.parse_args()
width, height, rate, bitrate = 1280, 720, 30, 1_500_000

# The last: the payload type in the viewers' offers, since webrtcbin cannot renumber.
ENCODERS = {
    "h264": (f"openh264enc bitrate={bitrate} max-bitrate={bitrate * 5 // 4} complexity=low rate-control=bitrate gop-size=30 "
             "multi-thread=1 enable-frame-skip=false scene-change-detection=false usage-type=camera "
             "! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency mtu=1200 ",
             "H264", 102),
    "vp8": (f"vp8enc target-bitrate={bitrate} deadline=1 cpu-used=-8 static-threshold=1 lag-in-frames=0 end-usage=cbr keyframe-max-dist=30 threads=1 "
            "! rtpvp8pay picture-id-mode=2 mtu=1200 ", "VP8", 96),
}
encoder, encoding, payload = ENCODERS[options.codec]
caps = f"application/x-rtp,media=video,encoding-name={encoding},payload={payload},clock-rate=90000"
sink = f"udpsink host=127.0.0.1 port={options.rtp_port} sync=false" if options.rtp_port else "fakesink sync=false"
Gst.init(None)
pipeline = Gst.parse_launch(
    f"appsrc name=camera is-live=true format=time caps=video/x-raw,format=I420,width={width},height={height},framerate={rate}/1 "
    f"! {encoder} pt={payload} ! {caps} ! tee name=tee allow-not-linked=true ! queue ! {sink}")
tee, camera = pipeline.get_by_name("tee"), pipeline.get_by_name("camera")
bins = []


def draw():
    picture, count, start = Picture(width, height), 0, time.monotonic()
    while True:
        count = max(count + 1, int((time.monotonic() - start) * rate))
        time.sleep(max(0, start + count / rate - time.monotonic()))
        buffer = Gst.Buffer.new_wrapped(bytes(picture.draw()))
        buffer.pts = count * Gst.SECOND // rate
        buffer.duration = Gst.SECOND // rate
        camera.emit("push-buffer", buffer)


def finish(promise, timeout=10):
    """The promise's reply; waiting for it here, and not in a callback, keeps each exchange in one place."""
    promise.wait()
    return promise.get_reply()


def answer(offer):
    """A webrtcbin behind the tee that answers the offer, candidates included."""
    branch = Gst.parse_bin_from_description(f"queue max-size-buffers=500 leaky=downstream ! {caps} ! identity name=out", True)
    webrtc = Gst.ElementFactory.make("webrtcbin")
    webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    webrtc.set_property("latency", 0)
    pipeline.add(branch)
    pipeline.add(webrtc)
    complete = threading.Event()
    webrtc.connect("notify::ice-gathering-state", lambda element, _: complete.set() if element.get_property(
        "ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE else None)
    branch.link(webrtc)
    transceiver = webrtc.emit("get-transceiver", 0)
    transceiver.set_property("codec-preferences", Gst.Caps.from_string(caps))
    transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
    webrtc.sync_state_with_parent()
    branch.sync_state_with_parent()
    bins.append((branch, webrtc))
    _, message = GstSdp.SDPMessage.new()
    GstSdp.sdp_message_parse_buffer(offer, message)
    promise = Gst.Promise.new()
    webrtc.emit("set-remote-description",
                GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.OFFER, message), promise)
    finish(promise)
    promise = Gst.Promise.new()
    webrtc.emit("create-answer", None, promise)
    reply = finish(promise)
    made = reply["answer"] if hasattr(reply, "__getitem__") else reply.get_value("answer")
    promise = Gst.Promise.new()
    webrtc.emit("set-local-description", made, promise)
    finish(promise)
    complete.wait(10)
    text = webrtc.get_property("local-description").sdp.as_text()
    tee.link(branch)
    return text


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        text = answer(self.rfile.read(int(self.headers["Content-Length"]))).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/sdp")
        self.send_header("Location", "/whep/1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


pipeline.set_state(Gst.State.PLAYING)
threading.Thread(target=draw, daemon=True).start()
server = http.server.HTTPServer(("127.0.0.1", options.port), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
GLib.MainLoop().run()
