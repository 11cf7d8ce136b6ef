import Reactor
import Wire

/// Connects to the first of several addresses that takes it (RFC 8305): the next one is tried when one fails, or is slow. Lives on the reactor.
package final class AddressRace {
    private var rest: [SocketAddress]
    private let delay: Duration
    private unowned let reactor: Reactor
    private var attempts: [Int: TCPConnector] = [:]
    private var nextAttempt = 0
    private var timer: ReactorTimer?
    private var failure: SystemError?
    private var onOutcome: ((Result<TCPConnection, SystemError>) -> Void)?

    /// Longer than any connect timeout of the clients, which have their own.
    private static let patience = Duration.seconds(120)

    /// `addresses`: at least one, in the system's order of preference.
    package init(
        to addresses: [IPAddress], port: UInt16, delay: Duration, reactor: Reactor,
        onOutcome: @escaping (Result<TCPConnection, SystemError>) -> Void
    ) {
        rest = Self.interleaved(addresses).map { SocketAddress($0, port) }
        (self.delay, self.reactor, self.onOutcome) = (delay, reactor, onOutcome)
        timer = reactor.makeTimer { [weak self] _ in self?.tryNext() }
        tryNext()
    }

    func cancel() {
        onOutcome = nil
        timer = nil
        attempts = [:]
    }

    /// RFC 8305 clause 4: the families by turns, so that one without a way costs one delay.
    package static func interleaved(_ addresses: [IPAddress]) -> [IPAddress] {
        guard let first = addresses.first else { return [] }
        var (same, other) = (addresses.filter { $0.family == first.family }[...], addresses.filter { $0.family != first.family }[...])
        var order: [IPAddress] = []
        while let next = same.popFirst() {
            order.append(next)
            if let next = other.popFirst() { order.append(next) }
        }
        return order + other
    }

    private func tryNext() {
        guard !rest.isEmpty else { return }
        let address = rest.removeFirst(), attempt = nextAttempt
        nextAttempt += 1
        timer?.deadline = rest.isEmpty ? nil : MonotonicClock.now() + delay
        attempts[attempt] = TCPConnector(to: address, reactor: reactor, timeout: Self.patience) { [weak self] outcome in
            self?.ended(attempt, outcome)
        }
    }

    private func ended(_ attempt: Int, _ outcome: Result<TCPConnection, SystemError>) {
        attempts[attempt] = nil
        switch outcome {
        case .success:
            let tell = onOutcome
            cancel()
            tell?(outcome)
        case .failure(let error):
            failure = error
            guard rest.isEmpty else { return tryNext() }
            guard attempts.isEmpty else { return }
            let tell = onOutcome
            cancel()
            tell?(outcome)
        }
    }
}
