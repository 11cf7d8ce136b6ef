import Contracts
import Crypto
import HTTP
import Reactor
import Teleop
import Web
import Wire

/// The connection to the signalling server, made again whenever it is lost. Lives on the reactor.
final class SignalLink {
    /// We are on the server, for the first time or again.
    var onJoined: (() -> Void)?
    var onLost: (() -> Void)?
    var onMessage: ((SignalMessage) -> Void)?

    private let url: WebURL
    private let name: String
    private let client: HTTPClient
    private let log: Logger
    private let tell: @Sendable (ClientEvent) -> Void
    private var socket: WebSocketSession?
    private var pauses: Backoff
    private var timer: ReactorTimer?
    private var isEnding = false
    private var whenClosed: (() -> Void)?
    private let complaints: RareLogger
    /// What the messages of the window at hand have cost.
    private var cost = Duration.zero
    private var window = Instant.zero
    private var resume: ReactorTimer?

    /// Of this thread's time, which the gate of a driven robot needs, messages take a fifth at most, whoever sends how many; the rest of them
    /// waits in the network.
    private static let (windowTime, most) = (Duration.milliseconds(100), Duration.milliseconds(20))

    init(
        _ url: WebURL, trust: TLSTrust, reactor: Reactor, log: Logger, tell: @escaping @Sendable (ClientEvent) -> Void
    ) throws(SystemError) {
        (self.url, self.log, self.tell) = (url, log, tell)
        // As people write it.
        name = url.target == "/" ? "\(url.scheme.rawValue)://\(url.authority)" : "\(url)"
        complaints = RareLogger(log)
        pauses = .server(seed: SystemRandomNumberGenerator().seed())
        client = try HTTPClient(reactor: reactor, trust: trust)
        timer = reactor.makeTimer { [unowned self] _ in connect() }
        resume = reactor.makeTimer { [unowned self] _ in socket?.isPaused = false }
    }

    func start() { connect() }

    private func connect() {
        tell(.connecting(server: name))
        var options = WebSocketClientOptions()
        options.connection.messageLimit = 2 * SignalMessage.limit
        // A server that is gone without a word is noticed before its operator's patience ends.
        (options.connection.pingAfter, options.connection.goneAfter) = (.seconds(10), .seconds(20))
        // The program ends within 2 s, whether the server answers or not (specs: teleop-client clause 11).
        options.connection.closeTimeout = .seconds(1)
        client.connect(url, options) { [weak self] outcome in
            guard let self else { return }
            switch outcome {
            case .success(let socket): self.opened(socket)
            case .failure(let error): self.lost("\(error)")
            }
        }
    }

    private func opened(_ socket: WebSocketSession) {
        guard !isEnding else { return socket.close(.normal) }
        self.socket = socket
        socket.onMessage = { [unowned self] kind, bytes in if kind == .text { receive(bytes) } }
        socket.onClose = { [weak self] code, reason in self?.closed(code, reason) }
        pauses.succeeded(at: MonotonicClock.now())
        tell(.connected)
        onJoined?()
    }

    private func receive(_ bytes: Span<UInt8>) {
        let begun = MonotonicClock.now()
        defer { spent(since: begun) }
        do throws(SignalMessageError) {
            if let message = try SignalMessage.read(bytes) { onMessage?(message) }
        } catch { complaints.warning("a message on the signalling server is of no use; it is left out", ["reason": .text("\(error)")]) }
    }

    private func spent(since begun: Instant) {
        if begun - window >= Self.windowTime { (window, cost) = (begun, .zero) }
        cost += MonotonicClock.now() - begun
        guard cost >= Self.most, let socket, !isEnding else { return }
        socket.isPaused = true
        resume?.deadline = window + .seconds(cost.seconds * (Self.windowTime.seconds / Self.most.seconds))
    }

    private func closed(_ code: WebSocketCloseCode, _ reason: String) {
        socket = nil
        if let whenClosed {
            self.whenClosed = nil
            return whenClosed()
        }
        lost("closed with \(code.rawValue)" + (reason.isEmpty ? "" : ": \(reason)"))
    }

    private func lost(_ reason: String) {
        guard !isEnding else { return }
        let now = MonotonicClock.now()
        let (seconds, pause) = pauses.failed(at: now)
        log.warning("the signalling server is not there", ["reason": .text(reason)])
        onLost?()
        tell(.serverLost(retryIn: seconds))
        timer?.deadline = now + pause
    }

    /// What cannot be sent now is said again by whoever says it, once we are back.
    func send(_ message: SignalMessage) { socket?.send(message.json.description) }

    /// Closes with 1000; calls `done` when the server has answered, or has not in time.
    func close(_ done: @escaping () -> Void) {
        isEnding = true
        (timer, resume) = (nil, nil)
        socket?.isPaused = false
        guard let socket, socket.isOpen else { return done() }
        whenClosed = done
        socket.close(.normal)
    }
}

extension SystemRandomNumberGenerator {
    func seed() -> UInt64 {
        var generator = self
        return generator.next()
    }
}
