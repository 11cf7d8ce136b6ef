import Crypto
import Glibc
import HTTP
import Reactor
import Web
import Wire

/// `waldo signal`: a WebSocket server that repeats every message to everybody else, for robots and operators to find one another.
public actor SignalServer {
    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: SignalOptions
    private var relay: SignalRelay?
    private var server: HTTPServer?

    public struct Place: Sendable {
        /// Where it listens, with the port that was chosen.
        public var addresses: [SocketAddress]
        /// Of a certificate that it made for itself: SHA-256.
        public var fingerprint: String?
    }

    public init(_ options: SignalOptions) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-reactor")
    }

    /// Begins to serve.
    public func start() throws -> Place {
        let relay = SignalRelay(options, reactor)
        let server = HTTPServer(handler: relay, options: options.server, reactor: reactor)
        server.metrics = relay.serverMetrics
        if options.logsRequests { server.accessLog = options.log }
        server.onFailedConnection = { [log = options.log] client, reason in
            log.debug("a connection failed", ["client": .address(client), "reason": .text(reason)])
        }
        let wanted = options.bind ?? [.anyIPv4, .anyIPv6]
        let tls = try options.tls.map { try TLSService($0, bind: wanted) }
        var place = Place(addresses: [], fingerprint: tls?.fingerprint)
        for address in wanted {
            do {
                let port = place.addresses.first?.port ?? options.port
                place.addresses.append(try server.listen(SocketAddress(address, port), security: tls?.server.makeStream))
            } catch {
                // A machine may have no IPv6; who names an address wants that one.
                guard options.bind == nil, address.family == .v6, [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.code) else { throw error }
                options.log.info("there is no IPv6 on this machine: IPv4 only")
            }
        }
        (self.relay, self.server) = (relay, server)
        return place
    }

    /// From now on these let in; nil: everybody. Whoever has joined stays.
    public func admit(by tokens: RelayTokens?) { relay?.tokens = tokens }

    /// Connections that have joined.
    public var connectionCount: Int { relay?.connectionCount ?? 0 }

    /// Closes all connections with 1001, and comes back when they have answered, or after a second. Nothing may be asked of it then.
    public func stop() async {
        relay?.flush()
        if let server { await withCheckedContinuation { continuation in server.drain { continuation.resume() } } }
        (server, relay) = (nil, nil)
        reactor.stop()
    }
}

extension IPAddress {
    fileprivate static var anyIPv4: IPAddress { IPAddress(0, 0, 0, 0) }
    fileprivate static var anyIPv6: IPAddress { IPAddress(high: 0, low: 0) }
}
