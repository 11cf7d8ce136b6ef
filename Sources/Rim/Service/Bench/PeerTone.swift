import Glibc
import Media
import RTC
import Reactor
import Wire

/// A sine tone of 440 Hz as Opus, 20 ms a packet, while somebody listens. Lives on the reactor.
final class ToneSource {
    private let encoder: OpusEncoder
    private var timer: ReactorTimer?
    private var listener: (session: PeerSession, transceiver: TransceiverID)?
    private var next = Instant.zero
    private var samples: UInt32 = 0
    private var isFirst = true

    init(reactor: Reactor) throws(MediaError) {
        encoder = try OpusEncoder(bitrate: 32_000)
        timer = reactor.makeTimer { [weak self] now in self?.send(at: now) }
    }

    func start(_ session: PeerSession, _ transceiver: TransceiverID) {
        guard listener == nil else { return }
        listener = (session, transceiver)
        next = MonotonicClock.now()
        isFirst = true
        timer?.deadline = next
    }

    func stop() {
        listener = nil
        timer?.deadline = nil
    }

    private func send(at now: Instant) {
        guard let listener else { return }
        let period = samples % 48_000
        let tone = (0..<UInt32(OpusEncoder.samplesPerPacket)).map { sine((period + $0) * 440 % 48_000) }
        do {
            let packet = EncodedAudio(bytes: try encoder.encode(tone), timestamp: samples, startsTalkspurt: isFirst)
            isFirst = false
            listener.session.with { peer, now in peer.send(packet, on: listener.transceiver, at: now) }
        } catch {
            // The settings were accepted at the start: what fails here is the library, and it would fail again.
            let text = "waldo: the tone stopped: \(error)\n"
            _ = unsafe write(2, text, text.utf8.count)
            return stop()
        }
        samples &+= UInt32(OpusEncoder.samplesPerPacket)
        next = max(next + .milliseconds(20), now - .milliseconds(100))
        timer?.deadline = next
    }

    /// A quarter of full scale; `phase` in 1/48000 of a turn. A parabola a half turn is a sine within 6 %: a clean tone to the ear.
    private func sine(_ phase: UInt32) -> Int16 {
        let half = Int(phase) % 24_000
        let value = half * (24_000 - half) / 17_579  // 8192 at the top
        return Int16(clamping: phase < 24_000 ? value : -value)
    }
}
