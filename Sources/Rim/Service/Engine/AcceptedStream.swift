import RTC
import Reactor
import Wire

/// One TCP connection that a peer opened to us: ICE-TCP (RFC 6544 passive, RFC 4571 framing).
final class AcceptedStream {
    let connection: TCPConnection
    let accepted: Instant
    var framer = RFC4571Framer()
    /// Bytes that came, until somebody claims them.
    var unclaimed = 0
    /// Whose it is, once a check has said so.
    weak var session: PeerSession?

    init(_ connection: TCPConnection, at now: Instant) {
        self.connection = connection
        accepted = now
    }

    func send(_ datagrams: Datagrams) {
        guard connection.backlog < ServerStream.largestBacklog else { return }
        var framed: [UInt8] = []
        for start in stride(from: 0, to: datagrams.bytes.count, by: max(datagrams.segmentSize, 1)) {
            let end = min(start + datagrams.segmentSize, datagrams.bytes.count)
            RFC4571Framer.frame(datagrams.bytes.span.extracting(start..<end), into: &framed)
        }
        connection.send(framed)
    }
}

extension PeerHost {
    private static let maximumStreams = 10_000
    /// A connection that no check has claimed by then, or after so many bytes, is closed.
    private static let patience = Duration.seconds(10)
    private static let maximumUnclaimed = 8 << 10

    /// Also listens for TCP on the same port, for peers behind firewalls that pass nothing else.
    public func listenTCP() throws(SystemError) -> [LocalTransport] {
        var candidates: [LocalTransport] = []
        for transport in transports {
            listeners.append(
                try TCPListener(transport.address, reactor: reactor) { [unowned self] connection in accept(connection) })
            let id = TransportID(transport.id.rawValue + 500)
            candidates.append(LocalTransport(id: id, kind: .tcpPassive, address: transport.address, advertised: transport.advertised))
        }
        return candidates
    }

    private func accept(_ connection: TCPConnection) {
        guard streams.count < Self.maximumStreams else { return connection.close() }
        let id = takeTransport()
        let now = MonotonicClock.now()
        let stream = AcceptedStream(connection, at: now)
        streams[id] = stream
        let path = NetworkPath(id, connection.remote)
        connection.onBytes = { [unowned self] bytes in
            let now = MonotonicClock.now()
            guard let stream = streams[id] else { return }
            do {
                try stream.framer.append(bytes.span)
                // What a message does may end the session, and the stream with it.
                while streams[id] === stream, let message = try stream.framer.next() {
                    guard !message.isEmpty else { continue }
                    route(message.span, path, at: now)
                    if let session = byPath[path] { stream.session = session }
                }
            } catch {
                return stream.connection.close()
            }
            if stream.session == nil {
                stream.unclaimed += bytes.count
                if stream.unclaimed > Self.maximumUnclaimed { stream.connection.close() }
            }
        }
        connection.onClose = { [unowned self] in ended(id) }
        if streamSweeper == nil { streamSweeper = reactor.makeTimer { [unowned self] now in sweepStreams(at: now) } }
        if streamSweeper?.deadline == nil { streamSweeper?.deadline = now + Self.patience }
    }

    private func ended(_ id: TransportID) {
        guard let session = streams.removeValue(forKey: id)?.session else { return }
        session.with { peer, now in peer.streamClosed(id, at: now) }
    }

    private func sweepStreams(at now: Instant) {
        let unclaimed = streams.values.filter { $0.session == nil }
        for stream in unclaimed where stream.accepted + Self.patience <= now { stream.connection.close() }
        streamSweeper?.deadline = unclaimed.isEmpty ? nil : now + .seconds(1)
    }
}
