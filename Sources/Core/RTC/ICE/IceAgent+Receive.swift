import Wire

/// What arrives.
extension IceAgent {
    /// Takes one datagram, or one message of a stream. `.application` bytes lie inside it.
    public mutating func receive(_ bytes: Span<UInt8>, on path: NetworkPath, at now: Instant) -> IceReception {
        // RFC 7983 clause 7: DTLS 20…63, RTP and RTCP 128…191.
        if hotPath == path, bytes.count > 0, bytes[0] > 79 || bytes[0] > 19 && bytes[0] < 64 {
            consent.heardData(at: now)
            return .application(0..<bytes.count)
        }
        let reception = receiveRarely(bytes, on: path, at: now)
        if case .refused = reception { statistics.refused += 1 }
        return reception
    }

    private mutating func receiveRarely(_ bytes: Span<UInt8>, on path: NetworkPath, at now: Instant) -> IceReception {
        guard state != .closed else { return .refused(.closed) }
        guard bytes.count > 0 else { return .refused(.malformed(.length(expected: 1, actual: 0))) }
        if let relay = relays.firstIndex(where: { $0.path == path }) {
            switch relays[relay].receive(bytes, at: now, environment) {
            case .handled:
                settle(at: now)
                return .handled
            case .data(let peer, let range):
                return receive(bytes.extracting(range), offset: range.lowerBound, base: .relay(relay), from: peer, at: now)
            case .notForUs: break
            }
        }
        return receive(bytes, offset: 0, base: .transport(path.transport), from: path.remote, at: now)
    }

    /// `offset`: where `bytes` begin in the datagram that came.
    private mutating func receive(_ bytes: Span<UInt8>, offset: Int, base: IceBase, from remote: SocketAddress, at now: Instant)
        -> IceReception
    {
        guard bytes.count > 0, bytes[0] < 4 else {
            guard validated.contains(where: { $0.remote == remote && $0.base == base }) else { return .refused(.unknownPath) }
            if let active = activeID.flatMap(pairIndex), pairs[active].base == base, pairs[active].remoteAddress == remote {
                consent.heardData(at: now)
            }
            return .application(offset..<(offset + bytes.count))
        }
        let message: STUNMessage
        do { message = try STUNMessage(parsing: bytes) } catch { return .refused(.malformed(error)) }
        switch message.kind {
        case .request: return receiveRequest(message, bytes, base: base, from: remote, at: now)
        case .success, .error: return receiveResponse(message, bytes, base: base, from: remote, at: now)
        case .indication:
            // RFC 8445 clause 11: a keep-alive; there is nothing to do.
            return message.method == .binding ? .handled : .refused(.unexpectedMessage)
        }
    }

    // MARK: requests

    /// RFC 8445 clause 7.3. A request without the right credentials is dropped without an answer, so that nobody can be made to reflect.
    private mutating func receiveRequest(
        _ message: STUNMessage, _ bytes: Span<UInt8>, base: IceBase, from remote: SocketAddress, at now: Instant
    ) -> IceReception {
        guard message.method == .binding else { return .refused(.unexpectedMessage) }
        guard let username = message[.username], let colon = username.firstIndex(of: UInt8(ascii: ":")) else {
            return .refused(.unknownUsername)
        }
        let ours = String(decoding: username[..<colon], as: UTF8.self)
        let theirs = String(decoding: username[(colon + 1)...], as: UTF8.self)
        let isUnderCurrent = ours == current.local.usernameFragment
        let keys = isUnderCurrent ? current : previous
        guard let keys, keys.local.usernameFragment == ours else { return .refused(.unknownUsername) }
        // After a restart Chromium pairs its new ports with the candidates that it knows before our answer comes, and goes on to check and
        // nominate these pairs under our old fragment: whose generation a check is of, its sender's fragment says as well as ours.
        let isCurrent = isUnderCurrent || theirs == current.remote?.usernameFragment
        let generation = isCurrent ? current.number : keys.number
        guard !configuration.relayOnly || base.isRelay else { return .refused(.unexpectedMessage) }
        guard message.hasIntegrity(key: Array(keys.local.password.utf8), in: bytes, environment.digests) else {
            return .refused(.integrity)
        }
        statistics.requestsReceived += 1
        let unknown = message.notUnderstood
        guard unknown.isEmpty else {
            var response = STUNMessage(.error, to: message)
            response.addError(420, "Unknown Attribute")
            response.addUnknownAttributes(unknown)
            respond(response, keys, base, remote)
            return .handled
        }
        guard !isCurrent || !resolveRoleConflict(message, keys, base, remote) else { return .handled }
        // The answer takes the slot of the pair's table first, so that a peer that fills it learns nothing more.
        var pair = pairIndex(base, remote, generation)
        if isCurrent, pair == nil {
            pair = learnPeerReflexive(message, base: base, from: remote, at: now)
            guard pair != nil else { return .refused(.limit) }
        }
        var response = STUNMessage(.success, to: message)
        response.add(.xorMappedAddress, address: remote)
        respond(response, keys, base, remote)
        validate(base, remote, generation)
        guard let pair else { return .handled }
        if pairs[pair].id == activeID { consent.heardCheck(at: now) }
        if isCurrent {
            pairs[pair].addressedAs = isUnderCurrent ? nil : ours
            answered(request: message, pair: pair, at: now)
        }
        settle(at: now)
        return .handled
    }

    private mutating func respond(_ message: STUNMessage, _ generation: IceGeneration, _ base: IceBase, _ remote: SocketAddress) {
        statistics.responsesSent += 1
        transmit(
            message.encoded(key: Array(generation.local.password.utf8), environment.digests, fingerprint: true), from: base, to: remote)
    }

    /// RFC 8445 clause 7.3.1.1. True when the request was answered by 487.
    private mutating func resolveRoleConflict(_ message: STUNMessage, _ generation: IceGeneration, _ base: IceBase, _ remote: SocketAddress)
        -> Bool
    {
        guard let theirs = message.u64(isControlling ? .iceControlling : .iceControlled) else { return false }
        let weWin = tieBreaker >= theirs
        // The larger tie-breaker controls; facing or being a lite agent, roles are fixed.
        let keepRole = configuration.mode == .lite || remoteIsLite || weWin == isControlling
        guard keepRole else {
            switchRole()
            return false
        }
        var response = STUNMessage(.error, to: message)
        response.addError(487, "Role Conflict")
        respond(response, generation, base, remote)
        return true
    }

    private mutating func switchRole() {
        isControlling.toggle()
        recomputePriorities()
        checks.removeAll { $0.kind == .nomination }
        output(.event(.roleChanged(isControlling: isControlling)))
    }

    /// RFC 8445 clauses 7.3.1.3 and 7.3.1.4: a request from an address that was not signalled.
    private mutating func learnPeerReflexive(_ message: STUNMessage, base: IceBase, from remote: SocketAddress, at now: Instant) -> Int? {
        guard let local = localCandidate(for: base) else { return nil }
        let known = remoteCandidates.first { $0.address == remote }
        let candidate =
            known
            ?? IceCandidate(
                foundation: "prflx\(nextPairID)", transport: local.transport, priority: message.u32(.priority) ?? 1, host: .ip(remote.ip),
                port: remote.port, kind: .peerReflexive)
        guard let index = insertPair(base: base, local: local, remote: candidate, address: remote, at: now) else { return nil }
        // A check that came is news of the other side: such a pair is not held back.
        if pairs[index].state == .frozen, configuration.mode == .full { pairs[index].state = .waiting }
        if known == nil, remoteCandidates.count < IceLimits.remoteCandidates { remoteCandidates.append(candidate) }
        return index
    }

    private func localCandidate(for base: IceBase) -> IceCandidate? {
        if let known = bases.first(where: { $0.base == base }) { return known.candidate }
        // A transport that is not ours to gather from is a connection that our ICE-TCP listener accepted.
        return bases.first { $0.candidate.transport == .tcp(.passive) }?.candidate
    }

    private mutating func answered(request: STUNMessage, pair index: Int, at now: Instant) {
        let isNominated = request.has(.useCandidate) && !isControlling
        let pair = pairs[index]
        guard configuration.mode == .full else {
            return answeredLite(pair: index, isNominated: isNominated, at: now)
        }
        if pair.state == .succeeded {
            if isNominated, mayMove(to: pair, at: now) { select(pair.id, at: now) }
            return
        }
        if isNominated { pairs[index].nominateOnSuccess = true }
        guard pair.state != .frozen || isNominated || pair.createdAt > selectedAt else { return }
        // RFC 8445 clause 7.3.1.4: an answer to their check opens the way for ours.
        if pair.state != .inProgress { pairs[index].state = .waiting }
        if !triggered.contains(pair.id) { triggered.append(pair.id) }
    }

    /// RFC 8445 clause 7.3.2. For the first path an authenticated check is enough: DTLS, whose handshake shows that the address hears us, comes
    /// before anything else that is sent there. A later change of path is asked for by one check of our own, as a full agent would: whoever can
    /// forge source addresses could else point the stream at somebody. A TCP connection has shown as much by its handshake.
    private mutating func answeredLite(pair index: Int, isNominated: Bool, at now: Instant) {
        let pair = pairs[index]
        if !hasHadPath || pair.id == activeID || pair.local.transport != .udp {
            pairs[index].state = .succeeded
            if isNominated { select(pair.id, at: now) } else { refreshRoute(at: now) }
            if pair.id == activeID, state == .disconnected { set(.connected) }
            return
        }
        guard isNominated || activeID == nil else { return }
        pairs[index].nominateOnSuccess = isNominated
        // One for each of theirs: nobody is asked more often than he asks, and a later wish replaces an earlier one.
        checks.removeAll { $0.pair != pair.id }
        sendCheck(.ordinary, pair: index, at: now)
    }

    /// Whether a nomination moves the path. A peer that nominates every pair at first (RFC 5245's aggressive way) must not make it swing:
    /// the better pair wins, unless the other one is newer than the selection (the peer's address changed) or the selected one is silent.
    private func mayMove(to pair: IcePair, at now: Instant) -> Bool {
        guard let selected = selectedPair, selected.generation == pair.generation else { return true }
        return pair.priority > selected.priority || pair.createdAt > selectedAt || now - consent.lastHeard >= .seconds(1)
    }

    mutating func validate(_ base: IceBase, _ remote: SocketAddress, _ generation: Int) {
        if let known = validated.firstIndex(where: { $0.remote == remote && $0.base == base }) {
            // The same path in a new generation outlives the old one.
            validated[known].generation = max(validated[known].generation, generation)
            return
        }
        if validated.count >= IceLimits.validatedPaths {
            let active = activeID.flatMap(pairIndex).map { pairs[$0] }
            let oldest = validated.firstIndex { $0.remote != active?.remoteAddress || $0.base != active?.base }
            validated.remove(at: oldest ?? 0)
        }
        validated.append(IceValidatedPath(base: base, remote: remote, generation: generation))
    }

    // MARK: responses

    private mutating func receiveResponse(
        _ message: STUNMessage, _ bytes: Span<UInt8>, base: IceBase, from remote: SocketAddress, at now: Instant
    ) -> IceReception {
        guard let at = checks.firstIndex(where: { $0.id == message.transactionID }) else {
            return receiveBindingResponse(message, base: base, from: remote, at: now) ? .handled : .refused(.unknownTransaction)
        }
        guard let index = pairIndex(checks[at].pair) else { return .refused(.unknownTransaction) }
        let pair = pairs[index]
        let generation = pair.generation == current.number ? current : previous
        guard let remoteCredentials = generation?.remote,
            message.hasIntegrity(key: Array(remoteCredentials.password.utf8), in: bytes, environment.digests)
        else { return .refused(.integrity) }
        // RFC 8445 clause 7.2.5.2.1: the answer must come back the way the check went.
        guard pair.base == base, pair.remoteAddress == remote else { return .refused(.unknownTransaction) }
        guard message.notUnderstood.isEmpty else { return .refused(.unexpectedMessage) }
        let check = checks.remove(at: at)
        statistics.responsesReceived += 1
        if message.kind == .error {
            receiveError(message, check, pair: index, at: now)
        } else {
            succeeded(check, pair: index, mapped: message.mappedAddress, at: now)
        }
        settle(at: now)
        return .handled
    }

    private mutating func receiveError(_ message: STUNMessage, _ check: IceCheck, pair index: Int, at now: Instant) {
        guard message.errorCode?.code == 487 else {
            if check.kind != .consent { checkFailed(check) }
            return
        }
        // RFC 8445 clause 7.2.5.1: we are the one to give way, unless we did already.
        if check.wasControlling == isControlling, !remoteIsLite { switchRole() }
        guard check.kind != .consent else { return }
        if pairs[index].state != .succeeded { pairs[index].state = .waiting }
        if !triggered.contains(check.pair) { triggered.append(check.pair) }
    }

    private mutating func succeeded(_ check: IceCheck, pair index: Int, mapped: SocketAddress?, at now: Instant) {
        let roundTrip = now - check.sentAt
        // Karn's rule: the answer to a repeated request does not tell which one it is for.
        if check.retransmission.sent == 1 {
            pairs[index].roundTripTime = roundTrip
            statistics.totalRoundTripTime += roundTrip.seconds
        }
        let pair = pairs[index]
        if pair.id == activeID {
            consent.answered(at: now, next: consentInterval())
            statistics.currentRoundTripTime = pairs[index].roundTripTime?.seconds
            if state == .disconnected { set(.connected) }
        }
        validate(pair.base, pair.remoteAddress, pair.generation)
        guard check.kind != .consent else { return }
        if let mapped { noteMapped(mapped, pair: index) }
        pairs[index].state = .succeeded
        pairs[index].validAt = now
        if firstValidAt == nil { firstValidAt = now }
        // The peer came another way after the choice was made: perhaps the way that was chosen is gone.
        if pair.id != activeID, selectedID != nil, pair.createdAt > selectedAt { consent.askAt(now) }
        for i in checks.indices where checks[i].pair == pair.id { checks[i].isCancelled = true }
        if check.kind == .nomination, isControlling || remoteIsLite {
            select(pair.id, at: now)
        } else if pair.nominateOnSuccess, !isControlling, configuration.mode == .lite || mayMove(to: pair, at: now) {
            // A lite agent goes where it was asked to last.
            if configuration.mode == .lite { pairs[index].nominateOnSuccess = false }
            select(pair.id, at: now)
        }
        refreshRoute(at: now)
    }

    /// RFC 8445 clause 7.2.5.3.1: an address of ours that only the peer sees is a local peer-reflexive candidate of the same base.
    private mutating func noteMapped(_ mapped: SocketAddress, pair index: Int) {
        let pair = pairs[index]
        guard pair.local.address != mapped, !pair.base.isRelay else { return }
        if let known = localCandidates.first(where: { $0.address == mapped && $0.transport == pair.local.transport }) {
            pairs[index].local = known
            return
        }
        pairs[index].local = IceCandidate(
            foundation: "p" + pair.local.foundation.prefix(31), transport: pair.local.transport,
            priority: IceCandidate.priority(.peerReflexive, localPreference: pair.local.priority >> 8), host: .ip(mapped.ip),
            port: mapped.port,
            kind: .peerReflexive, related: pair.local.address)
    }
}
