import RTC
import Wire

/// A STUN and TURN server in memory (RFC 8489, RFC 8656), over datagrams and streams.
public final class SimulatedServer: SimulatedEndpoint {
    private enum Client: Hashable {
        case udp(SocketAddress)
        case stream(SimulatedStreamID)
    }

    private struct Allocation {
        var relayed: SocketAddress
        var expires: Instant
        var permissions: [IPAddress: Instant] = [:]
        var channels: [UInt16: SocketAddress] = [:]
    }

    public let address: SocketAddress
    public let realm = "sim.waldo"
    public var username: String
    public var credential: String
    /// Answers every Allocate with 486.
    public var isFull = false
    /// Answers every Allocate with 300 and this address.
    public var alternate: SocketAddress?
    /// Answers nothing.
    public var isSilent = false
    public private(set) var counts: [String: Int] = [:]
    public var allocationCount: Int { allocations.count }

    private let network: SimulatedNetwork
    private let digests: any Digests
    private var nonce = Array("nonce-0".utf8)
    private var nonceNumber = 0
    private var nextPort: UInt16 = 49_152
    private var allocations: [Client: Allocation] = [:]
    private var owners: [SocketAddress: Client] = [:]
    private var framers: [SimulatedStreamID: TurnFramer] = [:]
    private var remotes: [SimulatedStreamID: SocketAddress] = [:]

    /// `digests`: of the same kind as the clients'.
    public init(
        _ network: SimulatedNetwork, at address: SocketAddress, username: String = "user", credential: String = "secret",
        digests: any Digests = SimulatedDigests()
    ) {
        self.network = network
        self.digests = digests
        self.address = address
        self.username = username
        self.credential = credential
        network.bind(self, to: address)
    }

    /// From now on clients hear 438 until they use the new nonce.
    public func makeNonceStale() {
        nonceNumber += 1
        nonce = Array("nonce-\(nonceNumber)".utf8)
    }

    public var deadline: Instant? { nil }
    public func advance(to now: Instant) {}

    // MARK: what arrives

    public func receive(_ datagram: [UInt8], from source: SocketAddress, on local: SocketAddress, at now: Instant) {
        guard !isSilent else { return }
        if local == address {
            receive(datagram, from: .udp(source), at: now)
        } else if let owner = owners[local] {
            relayBack(datagram, from: source, to: owner, at: now)
        }
    }

    public func streamOpened(_ stream: SimulatedStreamID, local: SocketAddress, remote: SocketAddress, at now: Instant) {
        framers[stream] = TurnFramer()
        remotes[stream] = remote
    }

    public func receive(_ bytes: [UInt8], stream: SimulatedStreamID, at now: Instant) {
        guard !isSilent, var framer = framers[stream] else { return }
        do {
            try framer.append(bytes.span)
            while let message = try framer.next() { receive(message, from: .stream(stream), at: now) }
            framers[stream] = framer
        } catch {
            framers[stream] = nil
            network.close(stream: stream, from: self)
        }
    }

    public func streamClosed(_ stream: SimulatedStreamID, at now: Instant) {
        framers[stream] = nil
        release(.stream(stream))
    }

    private func receive(_ bytes: [UInt8], from client: Client, at now: Instant) {
        if bytes.count >= 4, bytes[0] >= 64, bytes[0] < 80 {
            let length = Int(bytes.span.u16(at: 2))
            guard let allocation = live(client, now), let peer = allocation.channels[bytes.span.u16(at: 0)], length <= bytes.count - 4
            else { return }
            count("channelData")
            network.send(Array(bytes[4..<(4 + length)]), from: allocation.relayed, to: peer)
            return
        }
        guard let message = try? STUNMessage(parsing: bytes.span) else { return }
        if message.kind == .indication, message.method == .send {
            guard let allocation = live(client, now), let peer = message.address(.xorPeerAddress), let data = message[.data],
                let until = allocation.permissions[peer.ip], until > now
            else { return }
            count("send")
            network.send(data, from: allocation.relayed, to: peer)
            return
        }
        guard message.kind == .request, let method = message.method else { return }
        if method == .binding {
            count("binding")
            var response = STUNMessage(.success, to: message)
            response.add(.xorMappedAddress, address: mapped(client))
            send(response.encoded(fingerprint: true), to: client)
            return
        }
        serve(message, method, bytes, from: client, at: now)
    }

    // MARK: requests of TURN

    private func serve(_ message: STUNMessage, _ method: STUNMessage.Method, _ bytes: [UInt8], from client: Client, at now: Instant) {
        let key = digests.md5(Array("\(username):\(realm):\(credential)".utf8))
        guard message.has(.messageIntegrity) else { return refuse(message, 401, "Unauthorized", to: client, challenge: true) }
        guard message[.nonce] == nonce else { return refuse(message, 438, "Stale Nonce", to: client, challenge: true) }
        guard message.text(.username) == username, message.hasIntegrity(key: key, in: bytes.span, digests) else {
            return refuse(message, 401, "Unauthorized", to: client, challenge: true)
        }
        count("\(method)")
        var response = STUNMessage(.success, to: message)
        switch method {
        case .allocate:
            if isFull { return refuse(message, 486, "Allocation Quota Reached", to: client) }
            if let alternate {
                var error = STUNMessage(.error, to: message)
                error.addError(300, "Try Alternate")
                error.add(.alternateServer, address: alternate)
                return send(error.encoded(key: key, digests, fingerprint: true), to: client)
            }
            guard live(client, now) == nil else { return refuse(message, 437, "Allocation Mismatch", to: client) }
            let relayed = SocketAddress(address.ip, nextPort)
            nextPort += 1
            allocations[client] = Allocation(relayed: relayed, expires: now + .seconds(600))
            owners[relayed] = client
            network.bind(self, to: relayed)
            response.add(.xorRelayedAddress, address: relayed)
            response.add(.xorMappedAddress, address: mapped(client))
            response.add(.lifetime, u32: 600)
        case .refresh:
            guard live(client, now) != nil else { return refuse(message, 437, "Allocation Mismatch", to: client) }
            if message.u32(.lifetime) == 0 {
                release(client)
                response.add(.lifetime, u32: 0)
            } else {
                allocations[client]?.expires = now + .seconds(600)
                response.add(.lifetime, u32: 600)
            }
        case .createPermission:
            guard live(client, now) != nil, let peer = message.address(.xorPeerAddress) else {
                return refuse(message, 437, "Allocation Mismatch", to: client)
            }
            allocations[client]?.permissions[peer.ip] = now + .seconds(300)
        case .channelBind:
            guard live(client, now) != nil, let peer = message.address(.xorPeerAddress), let number = message.u32(.channelNumber) else {
                return refuse(message, 400, "Bad Request", to: client)
            }
            allocations[client]?.channels[UInt16(number >> 16)] = peer
            allocations[client]?.permissions[peer.ip] = now + .seconds(300)
        default: return
        }
        send(response.encoded(key: key, digests, fingerprint: true), to: client)
    }

    private func refuse(_ message: STUNMessage, _ code: Int, _ reason: String, to client: Client, challenge: Bool = false) {
        count("error \(code)")
        var response = STUNMessage(.error, to: message)
        response.addError(code, reason)
        if challenge {
            response.add(.realm, text: realm)
            response.add(.nonce, nonce)
            send(response.encoded(fingerprint: true), to: client)
        } else {
            let key = digests.md5(Array("\(username):\(realm):\(credential)".utf8))
            send(response.encoded(key: key, digests, fingerprint: true), to: client)
        }
    }

    private func relayBack(_ datagram: [UInt8], from peer: SocketAddress, to client: Client, at now: Instant) {
        guard let allocation = live(client, now), let until = allocation.permissions[peer.ip], until > now else { return }
        if let channel = allocation.channels.first(where: { $0.value == peer })?.key {
            var bytes: [UInt8] = []
            bytes.append(u16: channel)
            bytes.append(u16: UInt16(datagram.count))
            send(bytes + datagram, to: client)
            return
        }
        count("data")
        var message = STUNMessage(.indication, .data, STUNTransactionID(high: 0, low: network.random.next()))
        message.add(.xorPeerAddress, address: peer)
        message.add(.data, datagram)
        send(message.encoded(), to: client)
    }

    // MARK: helpers

    private func live(_ client: Client, _ now: Instant) -> Allocation? {
        guard let allocation = allocations[client], allocation.expires > now else { return nil }
        return allocation
    }

    /// Forgets an allocation, as a restarted server would.
    public func forgetAllocations() { for client in Array(allocations.keys) { release(client) } }

    private func release(_ client: Client) {
        guard let allocation = allocations.removeValue(forKey: client) else { return }
        owners[allocation.relayed] = nil
        network.unbind(allocation.relayed)
    }

    private func mapped(_ client: Client) -> SocketAddress {
        switch client {
        case .udp(let source): source
        case .stream(let stream): remotes[stream] ?? address
        }
    }

    private func send(_ bytes: [UInt8], to client: Client) {
        switch client {
        case .udp(let source): network.send(bytes, from: address, to: source)
        case .stream(let stream):
            var framed: [UInt8] = []
            TurnFramer.frame(bytes.span, into: &framed)
            network.send(framed, stream: stream, from: self)
        }
    }

    private func count(_ what: String) { counts[what, default: 0] += 1 }
}
