import Crypto
import HTTP
import Reactor
import Web
import Wire

/// `waldo bench signal-load`: many clients of a signalling server in one process and one thread. All talk, and each checks that it gets every
/// message of every other once and in order.
public actor SignalLoad {
    public struct Options: Sendable {
        /// `ws://HOST:PORT/PATH`; of wss any certificate is trusted.
        public var url = "ws://127.0.0.1:8080"
        /// 2 to 1000.
        public var connections = 100
        /// Bytes of a message, at least `leastSize`.
        public var size = 64
        /// Messages a second of each connection.
        public var rate = 20.0
        /// Before the seconds that count.
        public var warmUp = Duration.seconds(1)
        public var length = Duration.seconds(5)
        /// Whose CPU time is read at both ends of the seconds that count.
        public var process: Int32?

        public init() {}
    }

    public struct Figures: Sendable {
        public var connections = 0
        /// Of the seconds that count: messages sent, and messages that came, each counted for each receiver.
        public var messages = 0
        public var deliveries = 0
        public var seconds = 0.0
        public var ownCPU = 0.0
        public var serverCPU: Double?
        /// Of the whole run: twice, out of order, one's own or not what was sent.
        public var wrong = 0
        /// Of the whole run: not there ten seconds after the last was sent.
        public var missing = 0
        /// Connections that the server ended.
        public var ended = 0
    }

    public static let leastSize = 13

    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: Options
    private var run: SignalLoadRun?

    public init(_ options: Options) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-load")
    }

    /// Opens the connections, loads, and answers the figures.
    public func measure() async throws -> Figures {
        let run = try SignalLoadRun(options, reactor)
        self.run = run
        return try await withCheckedThrowingContinuation { continuation in run.begin { continuation.resume(with: $0) } }
    }
}

/// One measurement, on the reactor.
private final class SignalLoadRun {
    private let options: SignalLoad.Options
    private let reactor: Reactor
    private let url: WebURL
    private let client: HTTPClient
    private var done: ((Result<SignalLoad.Figures, any Error>) -> Void)?
    private var timer: ReactorTimer?
    private var listeners: [SignalLoadListener] = []
    private var stage = Stage.opening
    private var began = Instant.zero
    private var sent = 0
    private var before: Reading?
    private var figures = SignalLoad.Figures()

    private enum Stage { case opening, warmingUp, counting, finishing(until: Instant) }

    private struct Reading {
        var at: Instant
        var sent: Int
        var deliveries: Int
        var own: Double
        var server: Double?
    }

    private static let tick = Duration.milliseconds(2)
    private static let patience = Duration.seconds(10)

    init(_ options: SignalLoad.Options, _ reactor: Reactor) throws {
        (self.options, self.reactor) = (options, reactor)
        url = try WebURL(options.url)
        var limits = HTTPClientOptions()
        limits.webSockets = options.connections
        client = try HTTPClient(reactor: reactor, options: limits, trust: .anyone)
    }

    func begin(_ done: @escaping (Result<SignalLoad.Figures, any Error>) -> Void) {
        self.done = done
        timer = reactor.makeTimer { [unowned self] now in passed(now) }
        for number in 0..<options.connections {
            client.connect(url) { [unowned self] outcome in
                switch outcome {
                case .success(let session): opened(session, number)
                case .failure(let error): finish(.failure(error))
                }
            }
        }
    }

    private func opened(_ session: WebSocketSession, _ number: Int) {
        let listener = SignalLoadListener(session, number: number, of: options.connections, size: options.size)
        session.onClose = { [unowned self] _, _ in figures.ended += 1 }
        listeners.append(listener)
        guard listeners.count == options.connections else { return }
        (stage, began) = (.warmingUp, MonotonicClock.now())
        timer?.deadline = began
    }

    private func passed(_ now: Instant) {
        switch stage {
        case .opening: return
        case .warmingUp where now - began >= options.warmUp:
            before = reading(now)
            stage = .counting
        case .counting:
            guard let before, now - before.at >= options.length else { break }
            count(from: before, to: reading(now))
            stage = .finishing(until: now + Self.patience)
        case .finishing(let until):
            let missing = sent * (options.connections - 1) - deliveries
            guard missing > 0, now < until, figures.ended == 0 else {
                figures.missing = missing
                figures.wrong = listeners.reduce(0) { $0 + $1.wrong }
                return finish(.success(figures))
            }
            timer?.deadline = now + Self.tick
            return
        default: break
        }
        speak(now)
        timer?.deadline = now + Self.tick
    }

    /// All who are due, each a little after the one before.
    private func speak(_ now: Instant) {
        let turns = (now - began).seconds * options.rate
        for (place, listener) in listeners.enumerated() {
            let due = Int(turns + Double(place) / Double(listeners.count))
            while listener.spoken < due {
                listener.speak()
                sent += 1
            }
        }
    }

    private var deliveries: Int { listeners.reduce(0) { $0 + $1.heard } }

    private func reading(_ now: Instant) -> Reading {
        Reading(at: now, sent: sent, deliveries: deliveries, own: ProcessClock.own(), server: options.process.map(ProcessClock.of))
    }

    private func count(from first: Reading, to last: Reading) {
        figures.connections = listeners.count
        figures.messages = last.sent - first.sent
        figures.deliveries = last.deliveries - first.deliveries
        figures.seconds = (last.at - first.at).seconds
        figures.ownCPU = last.own - first.own
        if let a = first.server, let b = last.server { figures.serverCPU = b - a }
    }

    private func finish(_ result: Result<SignalLoad.Figures, any Error>) {
        guard let done else { return }
        self.done = nil
        timer = nil
        for listener in listeners { listener.session.onClose = nil }
        client.close()
        done(result)
    }
}

/// One client: says its number and a count, and expects of each other the next of its counts: `012 00000345 xxxx…`
private final class SignalLoadListener {
    let session: WebSocketSession
    private(set) var spoken = 0
    private(set) var heard = 0
    private(set) var wrong = 0
    private let number: Int
    private var next: [Int]
    private var message: [UInt8]

    init(_ session: WebSocketSession, number: Int, of count: Int, size: Int) {
        (self.session, self.number) = (session, number)
        next = [Int](repeating: 0, count: count)
        message = Array("000 00000000 ".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: max(size - SignalLoad.leastSize, 0))
        Self.write(number, 0..<3, in: &message)
        session.onMessage = { [unowned self] _, bytes in hear(bytes) }
    }

    func speak() {
        Self.write(spoken, 4..<12, in: &message)
        spoken += 1
        let message = message
        session.send(.text, message.span)
    }

    private func hear(_ bytes: Span<UInt8>) {
        guard bytes.count == message.count, let sender = Self.number(0..<3, in: bytes), let count = Self.number(4..<12, in: bytes),
            sender < next.count, sender != number, next[sender] == count, bytes[bytes.count - 1] == message[message.count - 1]
        else { return wrong += 1 }
        next[sender] += 1
        heard += 1
    }

    private static func write(_ value: Int, _ places: Range<Int>, in bytes: inout [UInt8]) {
        var rest = value
        for place in places.reversed() {
            bytes[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    private static func number(_ places: Range<Int>, in bytes: Span<UInt8>) -> Int? {
        var value = 0
        for place in places {
            let digit = Int(bytes[place]) - 48
            guard digit >= 0, digit < 10 else { return nil }
            value = value * 10 + digit
        }
        return value
    }
}
