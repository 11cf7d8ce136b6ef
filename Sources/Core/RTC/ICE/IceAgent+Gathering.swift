import Wire

/// A Binding request to a STUN server from one of our sockets.
struct IceServerBinding {
    let server: IceServer
    let path: NetworkPath
    let startAt: Instant
    var id: STUNTransactionID?
    var bytes: [UInt8] = []
    var retransmission: STUNRetransmission?
    var isDone = false
}

/// Where our candidates come from (RFC 8445 clause 5.1.1).
extension IceAgent {
    mutating func addBase(_ transport: LocalTransport) {
        let candidate = hostCandidate(transport, advertised: transport.advertised.first ?? transport.address)
        bases.append(IceLocalBase(base: .transport(transport.id), candidate: candidate, address: transport.address))
    }

    private func hostCandidate(_ transport: LocalTransport, advertised: SocketAddress) -> IceCandidate {
        let family = transport.address.ip.family
        let rank = configuration.transports.prefix { $0.id != transport.id }.filter { $0.address.ip.family == family }.count
        // RFC 8421 clause 4: IPv6 and IPv4 by turns, IPv6 first.
        let order = UInt32(min(rank, 1000)) * 2 + (family == .v6 ? 0 : 1)
        let isTCP = transport.kind == .tcpPassive
        // RFC 6544 clause 4.2: direction preference 2 (passive) in the upper three bits; TCP hosts stand below UDP ones.
        let preference = isTCP ? 2 << 13 | (8191 - order) : 65_535 - order
        let priority = IceCandidate.priority(.host, localPreference: preference)
        return IceCandidate(
            foundation: IceCandidate.foundation(.host, base: advertised.ip, isTCP: isTCP, server: nil),
            transport: isTCP ? .tcp(.passive) : .udp, priority: isTCP ? priority - 36 << 24 : priority, host: .ip(advertised.ip),
            port: advertised.port, kind: .host)
    }

    /// Begins to gather: host candidates come at once, others when servers answer.
    public mutating func gather(at now: Instant) {
        guard state != .closed, gatheringState == .new else { return }
        gatheringState = .gathering
        if !configuration.relayOnly {
            for transport in configuration.transports {
                for advertised in transport.advertised.isEmpty ? [transport.address] : transport.advertised {
                    announce(hostCandidate(transport, advertised: advertised))
                }
            }
        }
        if configuration.mode == .full { gatherFromServers(at: now) }
        settle(at: now)
    }

    private mutating func announce(_ candidate: IceCandidate) {
        var candidate = candidate
        candidate.usernameFragment = current.local.usernameFragment
        guard !localCandidates.contains(where: { $0.address == candidate.address && $0.transport == candidate.transport }) else { return }
        localCandidates.append(candidate)
        output(.event(.candidate(candidate)))
    }

    // MARK: servers

    private mutating func gatherFromServers(at now: Instant) {
        nextGatheringAt = max(nextGatheringAt, now)
        for relay in relays.indices where relays[relay].state == .allocated {
            // After a restart: still good, as far as we know; the server is asked.
            relays[relay].verify(at: now, environment)
            announceRelay(relay, at: now)
        }
        for server in configuration.servers.prefix(IceLimits.names)
        where server.kind == .stun || !relays.contains(where: { $0.server == server && $0.state != .failed }) {
            if let ip = IPAddress(server.host) {
                start(server, at: SocketAddress(ip, server.port), now: now)
            } else {
                serversAwaitingName.append(server)
                output(.resolve(server.host))
            }
        }
    }

    mutating func resolvedServer(_ name: String, to addresses: [IPAddress], at now: Instant) {
        let servers = serversAwaitingName.filter { $0.host.lowercased() == name }
        serversAwaitingName.removeAll { $0.host.lowercased() == name }
        for server in servers {
            guard !addresses.isEmpty else {
                output(.event(.serverFailed(url: server.url, code: 701, reason: "The server's name has no address.")))
                continue
            }
            for family in [IPAddress.Family.v4, .v6] {
                if let ip = addresses.first(where: { $0.family == family }) { start(server, at: SocketAddress(ip, server.port), now: now) }
            }
        }
    }

    private mutating func start(_ server: IceServer, at address: SocketAddress, now: Instant) {
        switch (server.kind, server.transport) {
        case (.stun, .udp):
            guard !configuration.relayOnly else { return }
            for id in transports(reaching: address.ip) where bindings.count < IceLimits.pairs {
                bindings.append(IceServerBinding(server: server, path: NetworkPath(id, address), startAt: nextGatheringAt))
                nextGatheringAt += configuration.gatheringPacing
            }
        case (.stun, _):
            output(.event(.serverFailed(url: server.url, code: 701, reason: "STUN is asked over UDP only.")))
        case (.turn, .udp):
            for id in transports(reaching: address.ip) where relays.count < IceLimits.relays {
                relays.append(TurnClient(server: server, path: NetworkPath(id, address), isStream: false))
                relays[relays.count - 1].start(at: now, environment)
            }
        case (.turn, _):
            guard relays.count < IceLimits.relays else { return }
            relays.append(TurnClient(server: server, path: NetworkPath(TransportID(0), address), isStream: true))
            openStream(relay: relays.count - 1)
        }
    }

    private func transports(reaching ip: IPAddress) -> [TransportID] {
        configuration.transports.filter {
            $0.kind == .udp && $0.address.ip.family == ip.family && (!$0.address.ip.isLoopback || ip.isLoopback)
                && (!$0.address.ip.isLinkLocal || ip.isLinkLocal)
        }.map(\.id)
    }

    // MARK: streams to TURN servers

    private mutating func openStream(relay: Int) {
        let id = TransportID(nextStream)
        nextStream &+= 1
        relays[relay].path = NetworkPath(id, relays[relay].path.remote)
        let server = relays[relay].server
        output(.openStream(id, to: relays[relay].path.remote, isTLS: server.transport == .tls, serverName: server.host))
    }

    /// A stream that was asked for stands (TLS included), from this local address.
    public mutating func streamOpened(_ id: TransportID, localAddress: SocketAddress, at now: Instant) {
        guard let relay = relays.firstIndex(where: { $0.isStream && $0.path.transport == id }) else { return }
        relays[relay].start(at: now, environment)
        settle(at: now)
    }

    /// A stream ended or could not be opened: one of ours to a server, or one that our listener accepted.
    /// `reason`: why, where that is known.
    public mutating func streamClosed(_ id: TransportID, reason: String? = nil, at now: Instant) {
        if let relay = relays.firstIndex(where: { $0.isStream && $0.path.transport == id }) {
            relays[relay].fail(701, reason ?? "The connection to the server ended.")
        }
        guard !configuration.transports.contains(where: { $0.id == id }) else { return }
        lose(.transport(id), at: now)
        settle(at: now)
    }

    // MARK: relays

    mutating func drainRelays(at now: Instant) {
        for relay in relays.indices {
            relays[relay].advance(to: now, environment)
            while let output = relays[relay].nextOutput() {
                switch output {
                case .transmit(let bytes): self.output(.transmit(Datagrams(path: relays[relay].path, single: bytes)))
                case .allocated: announceRelay(relay, at: now)
                case .permitted: break
                case .denied(let ip):
                    for i in pairs.indices
                    where pairs[i].base == .relay(relay) && pairs[i].remoteAddress.ip == ip && pairs[i].state == .waiting {
                        pairs[i].state = .failed
                    }
                case .redirected: if relays[relay].isStream { redirectStream(relay) } else { relays[relay].start(at: now, environment) }
                case .lost: loseRelay(relay, at: now)
                case .failed(let code, let reason):
                    self.output(.event(.serverFailed(url: relays[relay].server.url, code: code, reason: reason)))
                    if relays[relay].isStream { self.output(.closeStream(relays[relay].path.transport)) }
                    loseRelay(relay, at: now)
                }
            }
        }
    }

    private mutating func loseRelay(_ relay: Int, at now: Instant) {
        bases.removeAll { $0.base == .relay(relay) }
        localCandidates.removeAll { $0.kind == .relayed && $0.address == relays[relay].formerAddress }
        lose(.relay(relay), at: now)
    }

    private mutating func redirectStream(_ relay: Int) {
        output(.closeStream(relays[relay].path.transport))
        openStream(relay: relay)
    }

    private mutating func announceRelay(_ relay: Int, at now: Instant) {
        let client = relays[relay]
        guard let relayed = client.relayed else { return }
        // UDP to the server before TCP before TLS.
        let order: UInt32 =
            switch client.server.transport {
            case .udp: 2
            case .tcp: 1
            case .tls: 0
            }
        let candidate = IceCandidate(
            foundation: IceCandidate.foundation(.relayed, base: relayed.ip, isTCP: client.isStream, server: client.path.remote),
            priority: IceCandidate.priority(.relayed, localPreference: order << 14 | (8191 - UInt32(relay))),
            host: .ip(relayed.ip), port: relayed.port, kind: .relayed, related: client.mapped ?? relayed)
        if let mapped = client.mapped, !client.isStream, !configuration.relayOnly {
            announceReflexive(mapped, on: client.path.transport, server: client.path.remote)
        }
        announce(candidate)
        let base = IceLocalBase(base: .relay(relay), candidate: candidate, address: relayed)
        if !bases.contains(where: { $0.base == base.base }) { bases.append(base) }
        pairBase(base, at: now)
    }

    private mutating func announceReflexive(_ mapped: SocketAddress, on transport: TransportID, server: SocketAddress) {
        guard let base = bases.first(where: { $0.base == .transport(transport) }) else { return }
        announce(
            IceCandidate(
                foundation: IceCandidate.foundation(.serverReflexive, base: base.address.ip, isTCP: false, server: server),
                priority: IceCandidate.priority(.serverReflexive, localPreference: base.candidate.priority >> 8), host: .ip(mapped.ip),
                port: mapped.port, kind: .serverReflexive, related: base.address))
    }

    /// A base is gone, and with it its pairs.
    private mutating func lose(_ base: IceBase, at now: Instant) {
        validated.removeAll { $0.base == base }
        for i in pairs.indices.reversed() where pairs[i].base == base {
            if pairs[i].id == selectedID { selectedID = nil }
            removePair(at: i)
        }
        guard let activeID, pairIndex(activeID) == nil else { return }
        refreshRoute(at: now)
        firstValidAt = nil
        for i in pairs.indices where pairs[i].state == .frozen { pairs[i].state = .waiting }
        guard self.activeID == nil, state != .closed, state != .new else { return }
        // A lite agent waits for the peer to come another way.
        guard configuration.mode == .full else { return set(.disconnected) }
        guard hasAnyPair || mayGainPairs else { return set(.failed) }
        checkingSince = now
        set(.checking)
    }

    /// A server may still give an address: an allocation that it forgot is asked for again.
    private var mayGainPairs: Bool {
        gatheringState == .gathering || relays.contains { $0.state == .idle || $0.state == .allocating }
    }

    // MARK: interfaces that come and go

    /// Another socket, as when the host gets a new address. Its candidate is announced when gathering has begun.
    public mutating func addTransport(_ transport: LocalTransport, at now: Instant) {
        guard state != .closed, configuration.transports.count < IceLimits.names,
            !configuration.transports.contains(where: { $0.id == transport.id })
        else { return }
        configuration.transports.append(transport)
        addBase(transport)
        if gatheringState != .new, !configuration.relayOnly {
            for advertised in transport.advertised.isEmpty ? [transport.address] : transport.advertised {
                announce(hostCandidate(transport, advertised: advertised))
            }
        }
        if configuration.mode == .full, let base = bases.last { pairBase(base, at: now) }
        settle(at: now)
    }

    /// A socket is gone, as when the host lost the address.
    public mutating func removeTransport(_ id: TransportID, at now: Instant) {
        configuration.transports.removeAll { $0.id == id }
        bases.removeAll { $0.base == .transport(id) }
        for i in bindings.indices where bindings[i].path.transport == id { bindings[i].isDone = true }
        for relay in relays.indices where relays[relay].path.transport == id { relays[relay].fail(701, "The local address is gone.") }
        lose(.transport(id), at: now)
        settle(at: now)
    }

    private var hasAnyPair: Bool { pairs.contains { $0.state == .waiting || $0.state == .inProgress || $0.state == .frozen } }

    mutating func closeRelays(at now: Instant) {
        for relay in relays.indices {
            relays[relay].close(at: now, environment)
            while let output = relays[relay].nextOutput() {
                if case .transmit(let bytes) = output { self.output(.transmit(Datagrams(path: relays[relay].path, single: bytes))) }
            }
            if relays[relay].isStream { output(.closeStream(relays[relay].path.transport)) }
        }
        relays = []
    }

    // MARK: server-reflexive candidates

    mutating func advanceGathering(to now: Instant) {
        for i in bindings.indices where !bindings[i].isDone {
            if bindings[i].retransmission == nil {
                guard now >= bindings[i].startAt else { continue }
                let id = STUNTransactionID(environment)
                bindings[i].id = id
                bindings[i].bytes = STUNMessage(.request, .binding, id).encoded(fingerprint: true)
                bindings[i].retransmission = STUNRetransmission(at: now)
                output(.transmit(Datagrams(path: bindings[i].path, single: bindings[i].bytes)))
                continue
            }
            let isTooLate = now >= bindings[i].startAt + configuration.gatheringTimeout
            switch isTooLate ? STUNRetransmission.Step.giveUp : bindings[i].retransmission?.step(at: now) {
            case .send: output(.transmit(Datagrams(path: bindings[i].path, single: bindings[i].bytes)))
            case .giveUp:
                bindings[i].isDone = true
                output(.event(.serverFailed(url: bindings[i].server.url, code: 701, reason: "The server does not answer.")))
            case .wait, nil: break
            }
        }
    }

    /// False when it answers nothing that was asked there.
    mutating func receiveBindingResponse(_ message: STUNMessage, base: IceBase, from remote: SocketAddress, at now: Instant) -> Bool {
        guard case .transport(let transport) = base, message.method == .binding,
            let index = bindings.firstIndex(where: {
                $0.id == message.transactionID && $0.path == NetworkPath(transport, remote) && !$0.isDone
            })
        else { return false }
        bindings[index].isDone = true
        if message.kind == .success, let mapped = message.mappedAddress {
            announceReflexive(mapped, on: transport, server: remote)
        } else {
            let (code, reason) = message.errorCode ?? (701, "The answer has no mapped address.")
            output(.event(.serverFailed(url: bindings[index].server.url, code: code, reason: reason)))
        }
        settle(at: now)
        return true
    }

    mutating func updateGatheringState() {
        guard gatheringState == .gathering, bindings.allSatisfy(\.isDone), serversAwaitingName.isEmpty,
            relays.allSatisfy({ $0.state == .allocated || $0.state == .failed })
        else { return }
        gatheringState = .complete
        output(.event(.gatheringComplete))
    }

    var gatheringDeadline: Instant? {
        var deadline: Instant?
        for binding in bindings where !binding.isDone {
            deadline = earlier(
                deadline, earlier(binding.retransmission?.deadline ?? binding.startAt, binding.startAt + configuration.gatheringTimeout))
        }
        for relay in relays { deadline = earlier(deadline, relay.deadline) }
        return deadline
    }
}
