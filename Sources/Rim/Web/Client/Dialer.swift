import HTTP
import Reactor
import Wire

/// Makes one connection that is ready for a request: name, TCP, proxy's tunnel, TLS. The outcome is told once unless it is cancelled. Lives on
/// the reactor.
final class Dialer {
    /// What a client has for this.
    struct Means {
        let reactor: Reactor
        let resolver: NameResolver
        let security: HTTPClient.Security?
        let attemptDelay: Duration
    }

    private(set) var stage = HTTPClientError.Stage.name
    private let route: ServerRoute
    /// Whether a plain connection goes through the proxy's tunnel, too.
    private let tunnelsAlways: Bool
    private let means: Means
    private var onOutcome: ((Result<TCPConnection, HTTPClientError>) -> Void)?
    private var race: AddressRace?
    private var connector: TCPConnector?
    private var socket: TCPConnection?
    private var parser = HTTPResponseParser()

    init(
        _ route: ServerRoute, tunnelsAlways: Bool = false, _ means: Means,
        onOutcome: @escaping (Result<TCPConnection, HTTPClientError>) -> Void
    ) {
        (self.route, self.tunnelsAlways, self.means, self.onOutcome) = (route, tunnelsAlways, means, onOutcome)
    }

    deinit { cancel() }

    func cancel() {
        onOutcome = nil
        race = nil
        connector = nil
        let dropped = socket
        socket = nil
        dropped?.close()
    }

    private func finish(_ outcome: Result<TCPConnection, HTTPClientError>) {
        guard let tell = onOutcome else { return }
        onOutcome = nil
        if case .success(let socket) = outcome {
            // Closing is from now on its new owner's to hear of.
            self.socket = nil
            (socket.onBytes, socket.onEnd, socket.onClose, socket.onSecured) = (nil, nil, nil, nil)
        }
        cancel()
        tell(outcome)
    }

    private func fail(_ error: HTTPClientError) { finish(.failure(error)) }

    // MARK: name and TCP

    func begin() {
        guard !route.isSecure || means.security != nil else { return fail(.noSecurity(host: route.name)) }
        if let path = route.socketPath {
            stage = .tcp
            connector = TCPConnector(path: path, reactor: means.reactor) { [weak self] in self?.connected($0) }
            return
        }
        let host = route.proxy?.host ?? route.host
        if let address = IPAddress(host) { return connect(to: [address]) }
        means.resolver.resolve(host) { [weak self] addresses in
            guard let self, onOutcome != nil else { return }
            guard !addresses.isEmpty else { return fail(.nameUnknown(host: host)) }
            connect(to: addresses)
        }
    }

    private func connect(to addresses: [IPAddress]) {
        stage = .tcp
        race = AddressRace(
            to: addresses, port: route.proxy?.port ?? route.port, delay: means.attemptDelay, reactor: means.reactor
        ) { [weak self] in self?.connected($0) }
    }

    private func connected(_ outcome: Result<TCPConnection, SystemError>) {
        race = nil
        connector = nil
        switch outcome {
        case .failure(let error): fail(.unreachable(host: route.proxy.map { "proxy \($0)" } ?? route.name, reason: error.description))
        case .success(let socket):
            self.socket = socket
            if route.proxy != nil, route.isSecure || tunnelsAlways { openTunnel(socket) } else { protect(socket, received: Span()) }
        }
    }

    // MARK: the proxy

    /// RFC 9110 clause 9.3.6.
    private func openTunnel(_ socket: TCPConnection) {
        stage = .proxy
        parser.expect(.connect)
        socket.onBytes = { [weak self] bytes in self?.receivedFromProxy(bytes.span) }
        socket.onEnd = { [weak self] in self?.lostProxy() }
        socket.onClose = { [weak self] in self?.lostProxy() }
        var head = HTTPRequestHead(.connect, route.endpoint, fields: ["Host": route.endpoint])
        if let authorization = route.proxy?.authorization { head.fields.append("Proxy-Authorization", authorization) }
        var bytes: [UInt8] = []
        head.write(to: &bytes)
        socket.send(bytes)
    }

    private func lostProxy() { fail(.closed(host: "proxy \(route.proxy?.description ?? "")")) }

    private func receivedFromProxy(_ bytes: Span<UInt8>) {
        guard let socket, let proxy = route.proxy else { return }
        var offset = 0
        do throws(HTTPError) {
            while let event = try parser.next(bytes, &offset) {
                guard case .head(let head) = event else { continue }
                guard head.status.isSuccess else { return fail(.proxy(proxy: proxy.description, host: route.name, status: head.status)) }
                return protect(socket, received: bytes.extracting(offset..<bytes.count))
            }
        } catch { fail(.malformed(host: "proxy \(proxy)", error)) }
    }

    // MARK: TLS

    private func protect(_ socket: TCPConnection, received: Span<UInt8>) {
        guard route.isSecure, let security = means.security else {
            guard received.count == 0 else { return fail(.closed(host: route.name)) }
            return finish(.success(socket))
        }
        stage = .tls
        socket.onBytes = nil
        socket.onSecured = { [weak self] in
            guard let self, let socket = self.socket else { return }
            finish(.success(socket))
        }
        socket.onEnd = { [weak self] in self?.lostInHandshake() }
        socket.onClose = { [weak self] in self?.lostInHandshake() }
        do { socket.secure(try security(route.host), received: received) } catch {
            fail(.tls(host: route.name, reason: "\(error)"))
        }
    }

    private func lostInHandshake() {
        var reason = "the connection ended in the handshake"
        if case .failed(let text)? = socket?.security?.state { reason = text }
        fail(.tls(host: route.name, reason: reason))
    }
}
