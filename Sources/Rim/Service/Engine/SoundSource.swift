import Glibc
import Media
import RTC
import Reactor
import Synchronization
import Wire

/// What a microphone hears, encoded once as Opus for all who listen, while somebody does. Lives on the reactor.
public final class SoundSource {
    private let encoder: SoundEncoder
    private let reactor: Reactor
    private var listeners: [Int: (session: PeerSession, transceiver: TransceiverID)] = [:]
    public private(set) var packetsSent = 0

    /// The encoder's thread begins with the first listener. `bitrate`: bit/s.
    public init(feed: SoundFeed, reactor: Reactor, bitrate: Int = 32_000) throws {
        self.reactor = reactor
        encoder = try SoundEncoder(feed: feed, bitrate: bitrate)
        try encoder.packets.open(on: reactor) { [weak self] packet in self?.send(packet) }
    }

    public var listenerCount: Int { listeners.count }
    /// Pieces of 20 ms that the encoder, and packets that the reactor, was too late for.
    public var lost: Int { encoder.lost }

    public func add(_ session: PeerSession, _ transceiver: TransceiverID) throws {
        listeners[session.id] = (session, transceiver)
        try encoder.hear()
    }

    public func remove(_ session: PeerSession) {
        guard listeners.removeValue(forKey: session.id) != nil, listeners.isEmpty else { return }
        encoder.rest()
    }

    public func stop() {
        listeners.removeAll()
        encoder.stop()
        encoder.packets.close(on: reactor)
    }

    private func send(_ packet: EncodedAudio) {
        packetsSent += 1
        for listener in listeners.values {
            listener.session.with { peer, now in peer.send(packet, on: listener.transceiver, at: now) }
        }
    }
}

/// The encoder's thread.
private final class SoundEncoder: Sendable {
    let packets: Mailbox<EncodedAudio>
    private let sounds: Inbox<CapturedSound>
    private let feed: SoundFeed
    private let bitrate: Int
    private let state = Lock(State())

    private struct State: Sendable {
        var subscription: Int?
        var hasThread = false
        var isStopped = false
    }

    init(feed: SoundFeed, bitrate: Int) throws {
        (self.feed, self.bitrate) = (feed, bitrate)
        packets = try Mailbox(limit: 16)
        sounds = try Inbox(limit: 8, leavesOut: .oldest)
        // Refused settings show here, not on the thread.
        _ = try OpusEncoder(bitrate: bitrate)
    }

    var lost: Int { sounds.leftOut + packets.refused }

    func hear() throws {
        try state.withLock { state in
            guard !state.isStopped else { return }
            if !state.hasThread {
                try WorkerThread.start("waldo-sound") { [self] in run() }
                state.hasThread = true
            }
            if state.subscription == nil {
                state.subscription = feed.subscribe { [weak self] sound in self?.sounds.put(sound) }
            }
        }
    }

    func rest() {
        state.withLock { state in
            if let number = state.subscription.take() { feed.unsubscribe(number) }
        }
    }

    func stop() {
        rest()
        state.withLock { $0.isStopped = true }
        sounds.close()
    }

    private func run() {
        do {
            let encoder = try OpusEncoder(bitrate: bitrate)
            var clock = SoundClock()
            while case .element(let sound) = sounds.next() {
                let (timestamp, isFirst) = clock.place(sound.captured)
                _ = packets.put(EncodedAudio(bytes: try encoder.encode(sound.samples), timestamp: timestamp, startsTalkspurt: isFirst))
            }
        } catch {
            let text = "waldo: the microphone's encoder stopped: \(error)\n"
            _ = unsafe write(2, text, text.utf8.count)
        }
    }
}

/// RTP times of sound: whole packets one after the other, and a jump where the microphone paused.
package struct SoundClock {
    private var next: Int64?
    /// Samples that a microphone's packets may be off the clock before that is a pause.
    private static let slack: Int64 = 4800

    package init() {}

    package mutating func place(_ captured: Instant) -> (timestamp: UInt32, isFirst: Bool) {
        let samples = captured.nanoseconds / 1000 * 48 / 1000
        let isFirst = next.map { abs(samples - $0) > Self.slack } ?? true
        let place = isFirst ? samples : next ?? samples
        next = place + Int64(OpusEncoder.samplesPerPacket)
        return (UInt32(truncatingIfNeeded: place), isFirst)
    }
}
