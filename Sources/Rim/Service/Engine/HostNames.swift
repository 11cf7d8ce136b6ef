import Glibc
import RTC
import Reactor
import Wire

/// Finds the addresses of servers' names (DNS) and of peers' names under `.local` (mDNS). Lives on the reactor; makes what it needs at first use.
final class HostNames {
    private let reactor: Reactor
    private var resolver: NameResolver?
    private var multicast: MulticastResolver?

    init(reactor: Reactor) { self.reactor = reactor }

    /// Tells the addresses later; none when the name is unknown.
    func resolve(_ name: String, _ completion: @escaping ([IPAddress]) -> Void) {
        do throws(SystemError) {
            if name.lowercased().hasSuffix(".local") {
                if multicast == nil { multicast = try MulticastResolver(reactor: reactor) }
                multicast?.resolve(name.lowercased(), completion)
            } else {
                if resolver == nil { resolver = try NameResolver(reactor: reactor) }
                resolver?.resolve(name, completion)
            }
        } catch {
            let text = "waldo: cannot look up \(name): \(error)\n"
            _ = unsafe write(2, text, text.utf8.count)
            completion([])
        }
    }
}

/// One-shot queries of multicast DNS (RFC 6762 clause 5.1), repeated a few times within two seconds.
final class MulticastResolver {
    private struct Query {
        var name: String
        var begun: Instant
        var sent = 0
        var completions: [([IPAddress]) -> Void]
    }

    private var socket: UDPSocket?
    private var timer: ReactorTimer?
    private var queries: [Query] = []

    private static let limit = 64
    /// From the beginning: when to ask, and when to give up.
    private static let asks: [Duration] = [.zero, .milliseconds(400), .milliseconds(1200)]
    private static let end = Duration.seconds(2)

    init(reactor: Reactor) throws(SystemError) {
        socket = try UDPSocket(group: MulticastDNS.v4, interfaces: hostAddresses(), reactor: reactor) { [weak self] socket in
            socket.receive { bytes, source in self?.receive(bytes, from: source) }
        }
        timer = reactor.makeTimer { [weak self] now in self?.advance(to: now) }
    }

    /// `name` in lower case.
    func resolve(_ name: String, _ completion: @escaping ([IPAddress]) -> Void) {
        if let index = queries.firstIndex(where: { $0.name == name }) {
            guard queries[index].completions.count < Self.limit else { return completion([]) }
            queries[index].completions.append(completion)
        } else if queries.count < Self.limit {
            queries.append(Query(name: name, begun: MonotonicClock.now(), completions: [completion]))
            timer?.deadline = MonotonicClock.now()
        } else {
            completion([])
        }
    }

    private func receive(_ bytes: Span<UInt8>, from source: SocketAddress) {
        // RFC 6762 clause 6: answers come from the mDNS port.
        guard source.port == MulticastDNS.port else { return }
        var found: [(Query, [IPAddress])] = []
        for query in queries {
            let addresses = MulticastDNS.addresses(of: query.name, in: bytes)
            if !addresses.isEmpty { found.append((query, addresses)) }
        }
        for (query, addresses) in found {
            queries.removeAll { $0.name == query.name }
            for completion in query.completions { completion(addresses) }
        }
    }

    private func advance(to now: Instant) {
        for index in queries.indices {
            while queries[index].sent < Self.asks.count, now >= queries[index].begun + Self.asks[queries[index].sent] {
                queries[index].sent += 1
                socket?.multicast(MulticastDNS.query(for: queries[index].name), to: MulticastDNS.v4)
            }
        }
        let given = queries.filter { now >= $0.begun + Self.end }
        queries.removeAll { now >= $0.begun + Self.end }
        for query in given { for completion in query.completions { completion([]) } }
        var next: Instant?
        for query in queries {
            next = earlier(next, query.begun + (query.sent < Self.asks.count ? Self.asks[query.sent] : Self.end))
        }
        timer?.deadline = next
    }
}
