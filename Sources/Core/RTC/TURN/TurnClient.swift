import Wire

enum TurnReception {
    case handled
    /// The range of the datagram that the peer sent.
    case data(peer: SocketAddress, Range<Int>)
    case notForUs
}

enum TurnOutput {
    case transmit([UInt8])
    case allocated(relayed: SocketAddress, mapped: SocketAddress?)
    case permitted(IPAddress)
    case denied(IPAddress)
    /// The server forgot the allocation; another one is asked for.
    case lost
    /// ALTERNATE-SERVER: begin again there (RFC 8489 clause 10). The client already points to it.
    case redirected(SocketAddress)
    case failed(code: Int, reason: String)
}

/// One allocation on a TURN server (RFC 8656), over datagrams or whole messages of a stream.
struct TurnClient {
    enum State { case idle, allocating, allocated, closing, failed }

    static let permissionLimit = 64
    static let channelLimit = 64
    /// A permission lasts 300 s, a channel 600 s (RFC 8656 clauses 9 and 12); each is renewed a minute before.
    static let permissionRenewal = Duration.seconds(240)
    static let channelRenewal = Duration.seconds(540)
    /// What is asked for, in seconds: the default of RFC 8656 clause 3.2, said because coturn's own limit shortens only what was asked for.
    static let lifetime: UInt32 = 600

    let server: IceServer
    let isStream: Bool
    /// The way to the server.
    var path: NetworkPath
    private(set) var state = State.idle
    private(set) var relayed: SocketAddress?
    private(set) var mapped: SocketAddress?
    /// The relayed address that was lost last.
    private(set) var formerAddress: SocketAddress?

    private var realm = ""
    private var nonce: [UInt8] = []
    private var key: [UInt8]?
    private var redirections = 0
    private var losses = 0
    private var refreshAt: Instant?
    private var permissions: [TurnPermission] = []
    private var channels: [TurnChannel] = []
    private var nextChannel: UInt16 = 0x4000
    private var requests: [TurnRequest] = []
    private var outputs: [TurnOutput] = []

    init(server: IceServer, path: NetworkPath, isStream: Bool) {
        self.server = server
        self.path = path
        self.isStream = isStream
    }

    mutating func start(at now: Instant, _ environment: any Environment) {
        guard state == .idle else { return }
        state = .allocating
        send(.allocate, at: now, environment)
    }

    /// Asks whether the server still knows the allocation.
    mutating func verify(at now: Instant, _ environment: any Environment) {
        guard state == .allocated, refreshAt != nil else { return }
        refreshAt = nil
        send(.refresh, at: now, environment)
    }

    mutating func nextOutput() -> TurnOutput? { outputs.isEmpty ? nil : outputs.removeFirst() }

    /// Gives the allocation back (RFC 8656 clause 8). One datagram is queued; its answer is not waited for.
    mutating func close(at now: Instant, _ environment: any Environment) {
        let wasAllocated = state == .allocated
        requests = []
        permissions = []
        channels = []
        refreshAt = nil
        state = .closing
        if wasAllocated { send(.deallocate, at: now, environment) }
        requests = []
    }

    mutating func fail(_ code: Int, _ reason: String) {
        guard state != .failed, state != .closing else { return }
        state = .failed
        formerAddress = relayed
        requests = []
        permissions = []
        channels = []
        refreshAt = nil
        outputs.append(.failed(code: code, reason: reason))
    }

    // MARK: permissions and channels

    func hasPermission(_ ip: IPAddress) -> Bool { permissions.contains { $0.ip == ip && $0.isInstalled } }

    /// Wants to exchange datagrams with the address: asked for now, or as soon as there is an allocation.
    mutating func permit(_ ip: IPAddress, at now: Instant) {
        guard state != .failed, state != .closing, permissions.count < Self.permissionLimit, !permissions.contains(where: { $0.ip == ip })
        else { return }
        permissions.append(TurnPermission(ip: ip, renewAt: now))
    }

    /// Takes four bytes instead of 36 for datagrams to and from the peer, once the server agrees.
    mutating func bindChannel(to peer: SocketAddress, at now: Instant, _ environment: any Environment) {
        guard state == .allocated, channels.count < Self.channelLimit, !channels.contains(where: { $0.peer == peer }) else { return }
        // RFC 8656 clause 12: 0x4000…0x4FFF.
        channels.append(TurnChannel(number: nextChannel, peer: peer, renewAt: now + Self.channelRenewal))
        nextChannel += 1
        send(.channelBind(channels.count - 1), at: now, environment)
    }

    /// Appends the datagram in the form that the server passes on to the peer.
    mutating func wrap(_ datagram: Span<UInt8>, to peer: SocketAddress, into out: inout [UInt8], _ environment: any Environment) {
        if let channel = channels.first(where: { $0.peer == peer && $0.isBound }) {
            out.append(u16: channel.number)
            out.append(u16: UInt16(truncatingIfNeeded: datagram.count))
            out.append(span: datagram)
            return
        }
        var message = STUNMessage(.indication, .send, STUNTransactionID(environment))
        message.add(.xorPeerAddress, address: peer)
        message.add(.data, datagram.array)
        out.append(contentsOf: message.encoded())
    }

    // MARK: receiving

    mutating func receive(_ bytes: Span<UInt8>, at now: Instant, _ environment: any Environment) -> TurnReception {
        guard bytes.count >= 4, bytes[0] >= 64, bytes[0] < 80 else {
            guard STUNMessage.looksLikeSTUN(bytes), let message = try? STUNMessage(parsing: bytes) else { return .notForUs }
            return receive(message, bytes, at: now, environment)
        }
        // RFC 8656 clause 12.4; over datagrams there may be padding behind the data.
        let number = bytes.u16(at: 0), length = Int(bytes.u16(at: 2))
        guard let channel = channels.first(where: { $0.number == number }), length <= bytes.count - 4 else { return .notForUs }
        return .data(peer: channel.peer, 4..<(4 + length))
    }

    private mutating func receive(
        _ message: STUNMessage, _ bytes: Span<UInt8>, at now: Instant, _ environment: any Environment
    ) -> TurnReception {
        if message.kind == .indication, message.method == .data {
            guard let peer = message.address(.xorPeerAddress), let data = message.attributes.first(where: { $0.type == .data }) else {
                return .handled
            }
            // RFC 8656 clause 11.4: only from where we gave permission.
            guard permissions.contains(where: { $0.ip == peer.ip }) else { return .handled }
            return .data(peer: peer, data.offset..<(data.offset + data.value.count))
        }
        guard message.kind == .success || message.kind == .error,
            let index = requests.firstIndex(where: { $0.id == message.transactionID })
        else { return .notForUs }
        // RFC 8489 clause 9.2.5: with credentials sent, an answer without integrity counts only where it cannot have any.
        if let key, requests[index].isAuthenticated {
            let mayLackIntegrity = message.errorCode.map { [401, 438, 300, 400].contains($0.code) } ?? false
            guard mayLackIntegrity || message.hasIntegrity(key: key, in: bytes, environment.digests) else { return .handled }
        }
        let request = requests.remove(at: index)
        if message.kind == .success {
            succeeded(request, message, at: now)
        } else {
            refused(request, message, at: now, environment)
        }
        return .handled
    }

    private mutating func succeeded(_ request: TurnRequest, _ message: STUNMessage, at now: Instant) {
        switch request.kind {
        case .allocate:
            guard let relayed = message.address(.xorRelayedAddress) else {
                fail(701, "The server's Allocate success has no XOR-RELAYED-ADDRESS.")
                return
            }
            self.relayed = relayed
            mapped = message.mappedAddress
            state = .allocated
            scheduleRefresh(message, at: now)
            outputs.append(.allocated(relayed: relayed, mapped: mapped))
        case .refresh: scheduleRefresh(message, at: now)
        case .permission(let ip):
            guard let index = permissions.firstIndex(where: { $0.ip == ip }) else { return }
            permissions[index].isPending = false
            permissions[index].renewAt = now + Self.permissionRenewal
            guard !permissions[index].isInstalled else { return }
            permissions[index].isInstalled = true
            outputs.append(.permitted(ip))
        case .channelBind(let index):
            guard index < channels.count else { return }
            channels[index].isBound = true
            channels[index].renewAt = now + Self.channelRenewal
        case .deallocate: break
        }
    }

    private mutating func scheduleRefresh(_ message: STUNMessage, at now: Instant) {
        let lifetime = Int(min(message.u32(.lifetime) ?? 600, 86_400))
        refreshAt = now + .seconds(lifetime > 120 ? lifetime - 60 : max(lifetime / 2, 1))
    }

    /// RFC 8656 clauses 7.4, 8.3, 10.3 and 12.3.
    private mutating func refused(_ request: TurnRequest, _ message: STUNMessage, at now: Instant, _ environment: any Environment) {
        let (code, reason) = message.errorCode ?? (701, "An error response without ERROR-CODE.")
        switch code {
        case 401 where !request.isAuthenticated, 438:
            // RFC 8489 clause 9.2.5: realm and nonce of the challenge; a stale nonce is replaced, but not for ever.
            guard request.attempt < 3, let nonce = message[.nonce], !nonce.isEmpty else {
                requestFailed(request, code, reason)
                return
            }
            if let realm = message.text(.realm) { self.realm = realm }
            self.nonce = nonce
            key = environment.digests.md5(Array("\(server.username):\(realm):\(server.credential)".utf8))
            send(request.kind, attempt: request.attempt + 1, at: now, environment)
        case 300:
            guard case .allocate = request.kind, redirections < 2, let alternate = message.address(.alternateServer) else {
                requestFailed(request, code, reason)
                return
            }
            redirections += 1
            (realm, nonce, key) = ("", [], nil)
            state = .idle
            path = NetworkPath(path.transport, alternate)
            outputs.append(.redirected(alternate))
        case 437 where state == .allocated && losses < 3:
            // RFC 8656 clause 5: the allocation is gone, as after a restart of the server.
            losses += 1
            (requests, permissions, channels, refreshAt) = ([], [], [], nil)
            formerAddress = relayed
            relayed = nil
            outputs.append(.lost)
            state = .idle
            start(at: now, environment)
        default: requestFailed(request, code, reason)
        }
    }

    private mutating func requestFailed(_ request: TurnRequest, _ code: Int, _ reason: String) {
        switch request.kind {
        case .allocate, .refresh: fail(code, reason)
        case .permission(let ip):
            permissions.removeAll { $0.ip == ip }
            outputs.append(.denied(ip))
        // Send indications still do; the permission is asked for apart.
        case .channelBind(let index): if index < channels.count { channels[index].isBound = false }
        case .deallocate: break
        }
    }

    // MARK: requests

    private mutating func send(_ kind: TurnRequest.Kind, attempt: Int = 0, at now: Instant, _ environment: any Environment) {
        let id = STUNTransactionID(environment)
        var message: STUNMessage
        switch kind {
        case .allocate:
            message = STUNMessage(.request, .allocate, id)
            // 17: UDP, the only relayed transport there is (RFC 8656 clause 18.8).
            message.add(.requestedTransport, [17, 0, 0, 0])
            if path.remote.ip.family == .v6 { message.add(.requestedAddressFamily, [2, 0, 0, 0]) }
            message.add(.lifetime, u32: Self.lifetime)
        case .refresh:
            message = STUNMessage(.request, .refresh, id)
            message.add(.lifetime, u32: Self.lifetime)
        case .deallocate:
            message = STUNMessage(.request, .refresh, id)
            message.add(.lifetime, u32: 0)
        case .permission(let ip):
            message = STUNMessage(.request, .createPermission, id)
            message.add(.xorPeerAddress, address: SocketAddress(ip, 0))
        case .channelBind(let index):
            message = STUNMessage(.request, .channelBind, id)
            message.add(.channelNumber, u32: UInt32(channels[index].number) << 16)
            message.add(.xorPeerAddress, address: channels[index].peer)
        }
        let bytes: [UInt8]
        if let key {
            message.add(.username, text: server.username)
            message.add(.realm, text: realm)
            message.add(.nonce, nonce)
            bytes = message.encoded(key: key, environment.digests, fingerprint: true)
        } else {
            bytes = message.encoded(fingerprint: true)
        }
        requests.append(
            TurnRequest(
                kind: kind, id: id, bytes: bytes, isAuthenticated: key != nil, attempt: attempt,
                retransmission: STUNRetransmission(at: now, isStream: isStream)))
        outputs.append(.transmit(bytes))
    }

    mutating func advance(to now: Instant, _ environment: any Environment) {
        var i = 0
        while i < requests.count {
            switch requests[i].retransmission.step(at: now) {
            case .wait: i += 1
            case .send:
                outputs.append(.transmit(requests[i].bytes))
                i += 1
            case .giveUp: requestFailed(requests.remove(at: i), 701, "The server does not answer.")
            }
        }
        guard state == .allocated else { return }
        if let refreshAt, now >= refreshAt {
            self.refreshAt = nil
            send(.refresh, at: now, environment)
        }
        for i in permissions.indices where !permissions[i].isPending && now >= permissions[i].renewAt {
            permissions[i].isPending = true
            send(.permission(permissions[i].ip), at: now, environment)
        }
        for i in channels.indices where now >= channels[i].renewAt {
            channels[i].renewAt = now + Self.channelRenewal
            send(.channelBind(i), at: now, environment)
        }
    }

    var deadline: Instant? {
        var deadline: Instant?
        for request in requests { deadline = earlier(deadline, request.retransmission.deadline) }
        guard state == .allocated else { return deadline }
        deadline = earlier(deadline, refreshAt)
        for permission in permissions where !permission.isPending { deadline = earlier(deadline, permission.renewAt) }
        for channel in channels { deadline = earlier(deadline, channel.renewAt) }
        return deadline
    }
}

private struct TurnPermission {
    let ip: IPAddress
    var renewAt: Instant
    var isPending = false
    var isInstalled = false
}

private struct TurnChannel {
    let number: UInt16
    let peer: SocketAddress
    var renewAt: Instant
    var isBound = false
}

private struct TurnRequest {
    enum Kind {
        case allocate, refresh, deallocate
        case permission(IPAddress)
        /// Index in `channels`, which only grows.
        case channelBind(Int)
    }

    let kind: Kind
    let id: STUNTransactionID
    let bytes: [UInt8]
    let isAuthenticated: Bool
    let attempt: Int
    var retransmission: STUNRetransmission
}
