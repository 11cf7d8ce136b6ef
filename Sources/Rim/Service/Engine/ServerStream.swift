import Crypto
import RTC
import Reactor
import Wire

/// A stream to a TURN server: TCP, with TLS where asked, and the framing of RFC 8656 clause 12.5. Lives on the reactor.
final class ServerStream {
    /// It stands, from this local address.
    var onOpen: ((SocketAddress) -> Void)?
    var onMessage: (([UInt8]) -> Void)?
    /// It ended or could not be opened, and why. Not told after `close`.
    var onEnd: ((String) -> Void)?

    private let remote: SocketAddress
    private var connector: TCPConnector?
    private var connection: TCPConnection?
    private var framer = TurnFramer()
    private var timer: ReactorTimer?
    private var isClosed = false

    /// For the connection and TLS together.
    private static let patience = Duration.seconds(10)

    /// Behind this many bytes that the network does not take, datagrams are lost, as on any other path, rather than late.
    static let largestBacklog = 128 << 10

    /// `tlsName`: the server's name or address, for TLS; nil: plain TCP.
    init(to remote: SocketAddress, tlsName: String?, trust: TLSTrust, reactor: Reactor) {
        self.remote = remote
        timer = reactor.makeTimer { [weak self] _ in
            guard let self else { return }
            end("TLS with \(remote): expected a handshake within \(Self.patience.seconds) s, got none")
        }
        connector = TCPConnector(to: remote, reactor: reactor, timeout: Self.patience) { [weak self] outcome in
            guard let self else { return }
            connector = nil
            switch outcome {
            case .success(let connection): connected(connection, tlsName, trust)
            case .failure(let error): end("\(error)")
            }
        }
    }

    deinit { close() }

    private func connected(_ connection: TCPConnection, _ tlsName: String?, _ trust: TLSTrust) {
        self.connection = connection
        connection.onBytes = { [weak self] bytes in self?.deframe(bytes.span) }
        connection.onClose = { [weak self] in self?.closed() }
        guard let tlsName else { return opened() }
        do throws(CryptoError) {
            let stream = try TLSClient(trust: trust).makeStream(serverName: tlsName)
            timer?.deadline = MonotonicClock.now() + Self.patience
            connection.onSecured = { [weak self] in self?.opened() }
            connection.secure(stream)
        } catch {
            end("TLS with \(remote): \(error)")
        }
    }

    private func opened() {
        timer = nil
        guard let local = connection?.local else { return end("the server closed the connection") }
        onOpen?(local)
    }

    // MARK: Bytes

    private func deframe(_ bytes: Span<UInt8>) {
        do throws(StreamFramingError) {
            try framer.append(bytes)
            while !isClosed, let message = try framer.next() { onMessage?(message) }
        } catch {
            end("what the server sent is not TURN: \(error)")
        }
    }

    func send(_ datagrams: Datagrams) {
        guard !isClosed, let connection, connection.backlog < Self.largestBacklog else { return }
        var framed: [UInt8] = []
        for start in stride(from: 0, to: datagrams.bytes.count, by: max(datagrams.segmentSize, 1)) {
            let end = min(start + datagrams.segmentSize, datagrams.bytes.count)
            TurnFramer.frame(datagrams.bytes.span.extracting(start..<end), into: &framed)
        }
        connection.send(framed)
    }

    // MARK: The end

    func close() {
        guard !isClosed else { return }
        isClosed = true
        timer = nil
        connector?.cancel()
        connection?.onBytes = nil
        connection?.onClose = nil
        connection?.onSecured = nil
        connection?.closeAfterSending()
    }

    private func closed() {
        guard case .failed(let reason)? = connection?.security?.state else { return end("the server closed the connection") }
        end("TLS with \(remote): \(reason)")
    }

    private func end(_ reason: String) {
        guard !isClosed else { return }
        close()
        onEnd?(reason)
    }
}
