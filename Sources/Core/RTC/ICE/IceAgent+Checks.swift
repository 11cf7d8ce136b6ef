import Wire

/// The check list: pairing, sending checks, nominating.
extension IceAgent {
    // MARK: pairing

    /// Pairs one remote candidate with every base that can reach it (RFC 8445 clause 6.1.2.2; 8838 clause 10).
    mutating func pairRemote(_ candidate: IceCandidate, at now: Instant) {
        guard configuration.mode == .full || candidate.kind == .peerReflexive, candidate.transport == .udp,
            let address = candidate.address, address.port != 0, !address.ip.isUnspecified, !address.ip.isMulticast
        else { return }
        if let known = remoteCandidates.firstIndex(where: { $0.address == address }) {
            adopt(candidate, insteadOf: known, at: address)
            return
        }
        guard remoteCandidates.count < IceLimits.remoteCandidates else { return }
        remoteCandidates.append(candidate)
        for base in bases { addPair(base, candidate, address, at: now) }
    }

    /// A signalled candidate names an address that was met as peer-reflexive before (RFC 8838 clause 11).
    private mutating func adopt(_ candidate: IceCandidate, insteadOf known: Int, at address: SocketAddress) {
        guard remoteCandidates[known].kind == .peerReflexive, candidate.kind != .peerReflexive else { return }
        remoteCandidates[known] = candidate
        for i in pairs.indices where pairs[i].remoteAddress == address && pairs[i].generation == current.number {
            pairs[i].remote = candidate
            pairs[i].priority = priority(local: pairs[i].local, remote: candidate)
        }
    }

    /// Pairs a base that has just become known with the remote candidates.
    mutating func pairBase(_ base: IceLocalBase, at now: Instant) {
        for candidate in remoteCandidates {
            if let address = candidate.address, candidate.transport == .udp { addPair(base, candidate, address, at: now) }
        }
    }

    /// RFC 8445 clauses 6.1.2.2 and 6.1.2.4: same family, link-local only with link-local; one pair for a base and an address, which is
    /// what pruning reflexive candidates to their bases leaves.
    private mutating func addPair(_ base: IceLocalBase, _ remote: IceCandidate, _ address: SocketAddress, at now: Instant) {
        guard base.candidate.transport == .udp, base.address.ip.family == address.ip.family else { return }
        guard base.address.ip.family == .v4 || base.address.ip.isLinkLocal == address.ip.isLinkLocal else { return }
        guard !configuration.relayOnly || base.base.isRelay, pairIndex(base.base, address, current.number) == nil else { return }
        insertPair(base: base.base, local: base.candidate, remote: remote, address: address, at: now)
    }

    @discardableResult
    mutating func insertPair(base: IceBase, local: IceCandidate, remote: IceCandidate, address: SocketAddress, at now: Instant) -> Int? {
        var pair = IcePair(
            id: nextPairID, base: base, remoteAddress: address, generation: current.number, createdAt: now, local: local, remote: remote,
            priority: priority(local: local, remote: remote))
        guard makeRoom(for: pair.priority) else { return nil }
        if configuration.mode == .lite {
            pair.state = .frozen
        } else if state != .disconnected, doubtedSince == nil, let selected = selectedPair, selected.generation == current.number,
            selected.priority > pair.priority
        {
            pair.state = .frozen
        }
        nextPairID += 1
        pairs.append(pair)
        if case .relay(let relay) = base { relays[relay].permit(address.ip, at: now) }
        return pairs.count - 1
    }

    /// At the limit the pair of lowest priority goes (RFC 8445 clause 6.1.2.5), else the oldest path that was left for another.
    private mutating func makeRoom(for priority: UInt64) -> Bool {
        guard pairs.count >= IceLimits.pairs else { return true }
        let idle = pairs.indices.filter { pairs[$0].id != selectedID && pairs[$0].id != activeID }
        let unchecked = idle.filter { pairs[$0].state != .succeeded && pairs[$0].state != .failed }
        let lowest = unchecked.min { pairs[$0].priority < pairs[$1].priority }.flatMap { pairs[$0].priority < priority ? $0 : nil }
        guard
            let victim = idle.first(where: { pairs[$0].state == .failed }) ?? lowest ?? idle.first(where: { pairs[$0].state == .succeeded })
                ?? (configuration.mode == .lite ? idle.first : nil)
        else { return false }
        removePair(at: victim)
        return true
    }

    mutating func removePair(at index: Int) {
        let id = pairs[index].id
        pairs.remove(at: index)
        checks.removeAll { $0.pair == id }
        triggered.removeAll { $0 == id }
    }

    func pairIndex(_ base: IceBase, _ address: SocketAddress, _ generation: Int) -> Int? {
        pairs.firstIndex { $0.remoteAddress == address && $0.base == base && $0.generation == generation }
    }

    func pairIndex(_ id: Int) -> Int? { pairs.firstIndex { $0.id == id } }

    var selectedPair: IcePair? { selectedID.flatMap(pairIndex).map { pairs[$0] } }

    func priority(local: IceCandidate, remote: IceCandidate) -> UInt64 {
        isControlling
            ? IceCandidate.pairPriority(controlling: local.priority, controlled: remote.priority)
            : IceCandidate.pairPriority(controlling: remote.priority, controlled: local.priority)
    }

    mutating func recomputePriorities() {
        for i in pairs.indices { pairs[i].priority = priority(local: pairs[i].local, remote: pairs[i].remote) }
    }

    // MARK: sending

    private func isReady(_ pair: IcePair) -> Bool {
        guard pair.generation == current.number, current.remote != nil else { return false }
        guard case .relay(let relay) = pair.base else { return true }
        return relays[relay].hasPermission(pair.remoteAddress.ip)
    }

    var hasReadyPair: Bool { configuration.mode == .full && pairs.contains { $0.state == .waiting && isReady($0) } }

    /// Triggered checks at once: each stands for one authenticated request. Ordinary ones, best first, one a Ta (RFC 8445 clause 6.1.4.2).
    mutating func sendDueChecks(at now: Instant) {
        guard configuration.mode == .full, current.remote != nil else { return }
        var unready: [Int] = []
        for id in triggered {
            guard let index = pairIndex(id) else { continue }
            if isReady(pairs[index]) { sendCheck(.ordinary, pair: index, at: now) } else { unready.append(id) }
        }
        triggered = unready
        guard now >= nextCheckAt else { return }
        var best: Int?
        for i in pairs.indices where pairs[i].state == .waiting && isReady(pairs[i]) {
            if best.map({ pairs[$0].priority < pairs[i].priority }) ?? true { best = i }
        }
        guard let best else { return }
        sendCheck(.ordinary, pair: best, at: now)
        ordinaryChecks += 1
        nextCheckAt = now + (ordinaryChecks <= configuration.quickChecks ? configuration.quickPacing : configuration.pacing)
    }

    mutating func sendCheck(_ kind: IceCheck.Kind, pair index: Int, at now: Instant) {
        let pair = pairs[index]
        let generation = pair.generation == current.number ? current : previous
        guard let generation, let remote = generation.remote else { return }
        for i in checks.indices where checks[i].pair == pair.id && kind != .consent { checks[i].isCancelled = true }
        if checks.count >= IceLimits.outstandingChecks {
            guard let old = checks.firstIndex(where: \.isCancelled) ?? checks.firstIndex(where: { $0.kind == .consent }) else { return }
            checks.remove(at: old)
        }
        let id = STUNTransactionID(environment)
        let bytes = checkRequest(id, pair, generation.local, remote, isNomination: kind == .nomination)
        if kind == .ordinary { pairs[index].state = .inProgress }
        if kind == .consent { statistics.consentRequestsSent += 1 } else { statistics.requestsSent += 1 }
        let timeout = checkTimeout
        checks.append(
            IceCheck(
                id: id, pair: pair.id, kind: kind, bytes: bytes, sentAt: now, wasControlling: isControlling,
                retransmission: STUNRetransmission(at: now, timeout: timeout, longestInterval: timeout * 2)))
        transmit(bytes, from: pair.base, to: pair.remoteAddress)
    }

    /// RFC 8445 clause 14.3.
    private var checkTimeout: Duration {
        let active = pairs.reduce(0) { $0 + ($1.state == .waiting || $1.state == .inProgress ? 1 : 0) }
        return max(configuration.retransmissionTimeout, min(configuration.pacing * Int64(active), configuration.retransmissionTimeout * 4))
    }

    /// RFC 8445 clause 7.1 and 7.2.2.
    private func checkRequest(
        _ id: STUNTransactionID, _ pair: IcePair, _ local: IceCredentials, _ remote: IceCredentials, isNomination: Bool
    ) -> [UInt8] {
        var message = STUNMessage(.request, .binding, id)
        message.add(.username, text: remote.usernameFragment + ":" + (pair.addressedAs ?? local.usernameFragment))
        message.add(.priority, u32: IceCandidate.priority(.peerReflexive, localPreference: pair.local.priority >> 8))
        if isControlling {
            message.add(.iceControlling, u64: tieBreaker)
            // On the selected pair it is repeated, so that a peer that missed a change of mind follows within one consent interval.
            if isNomination || pair.id == selectedID && pair.generation == current.number { message.add(.useCandidate) }
        } else {
            message.add(.iceControlled, u64: tieBreaker)
        }
        return message.encoded(key: Array(remote.password.utf8), environment.digests, fingerprint: true)
    }

    mutating func transmit(_ bytes: [UInt8], from base: IceBase, to remote: SocketAddress) {
        switch base {
        case .transport(let id): output(.transmit(Datagrams(path: NetworkPath(id, remote), single: bytes)))
        case .relay(let relay):
            var wrapped: [UInt8] = []
            relays[relay].wrap(bytes.span, to: remote, into: &wrapped, environment)
            output(.transmit(Datagrams(path: relays[relay].path, single: wrapped)))
        }
    }

    mutating func advanceChecks(to now: Instant) {
        var i = 0
        while i < checks.count {
            switch checks[i].step(at: now) {
            case .wait: i += 1
            case .send:
                if let index = pairIndex(checks[i].pair) {
                    statistics.requestsSent += 1
                    transmit(checks[i].bytes, from: pairs[index].base, to: pairs[index].remoteAddress)
                }
                i += 1
            case .giveUp:
                let check = checks.remove(at: i)
                if !check.isPassive { checkFailed(check) }
            }
        }
    }

    /// RFC 8445 clause 7.2.5.2.3: no answer, or an unrecoverable one.
    mutating func checkFailed(_ check: IceCheck) {
        guard let index = pairIndex(check.pair), pairs[index].id != activeID || check.kind == .nomination else { return }
        pairs[index].state = .failed
        refreshRoute(at: check.sentAt)
    }

    // MARK: nominating

    /// Regular nomination (RFC 8445 clause 8.1.1): the best valid pair, at once when nothing better is still being checked, else after a short wait.
    mutating func evaluateNomination(at now: Instant) {
        nominationAt = nil
        guard isControlling, configuration.mode == .full, state != .failed,
            !checks.contains(where: { $0.kind == .nomination && !$0.isCancelled })
        else { return }
        let isLost = state == .disconnected, isSilent = consent.isSilent(at: now)
        let doubted =
            doubtedSince.map { since in pairs.contains { $0.state == .succeeded && $0.createdAt >= since } ? since : .zero } ?? .zero
        let valid = pairs.filter {
            $0.state == .succeeded && $0.generation == current.number && !(isLost && $0.id == activeID)
                && !(isSilent && $0.validAt <= consent.lastHeard) && $0.createdAt >= doubted
        }
        guard let best = valid.max(by: { $0.priority < $1.priority }), best.id != selectedID else { return }
        if let selected = selectedPair, selected.generation == current.number, !isLost, !isSilent, doubted == .zero {
            // Once chosen, only a direct path in place of a relayed one is worth a change.
            guard selected.base.isRelay, !best.base.isRelay else { return }
        }
        let since = firstValidAt ?? now
        firstValidAt = since
        let deadline = since + (best.base.isRelay ? configuration.relayNominationDelay : configuration.nominationDelay)
        let isBetterOnItsWay = pairs.contains {
            $0.priority > best.priority && ($0.state == .inProgress || $0.state == .waiting) && $0.generation == current.number
        }
        guard !isBetterOnItsWay && (!best.base.isRelay || hasAllRemoteCandidates) || now >= deadline else {
            nominationAt = deadline
            return
        }
        if let index = pairIndex(best.id) { sendCheck(.nomination, pair: index, at: now) }
    }

    /// The pair was nominated by either side (RFC 8445 clauses 7.2.5.3.4 and 8.1.2).
    mutating func select(_ id: Int, at now: Instant) {
        guard let index = pairIndex(id), selectedID != id else { return }
        let pair = pairs[index]
        selectedID = id
        selectedAt = now
        doubtedSince = nil
        statistics.selectedCandidatePairChanges += 1
        for other in pairs.indices.reversed() where pairs[other].id != id {
            if pairs[other].generation != pair.generation {
                removePair(at: other)
            } else if pairs[other].priority < pair.priority, pairs[other].state == .waiting || pairs[other].state == .inProgress {
                pairs[other].state = .frozen
                let otherID = pairs[other].id
                checks.removeAll { $0.pair == otherID }
            }
        }
        triggered = triggered.filter { id in pairs.contains { $0.id == id && $0.state != .frozen } }
        validated.removeAll { $0.generation != pair.generation }
        if case .relay(let relay) = pair.base { relays[relay].bindChannel(to: pair.remoteAddress, at: now, environment) }
        if state == .disconnected || state == .failed { set(.connected) }
        refreshRoute(at: now)
        output(.event(.selectedPair(IceSelectedPair(local: pair.local, remote: pair.remote))))
    }

    /// Recomputes the path in use: the selected pair, or before that the best valid one (RFC 8445 clause 12.1).
    mutating func refreshRoute(at now: Instant) {
        var active = selectedPair
        if active == nil { active = pairs.filter { $0.state == .succeeded }.max { $0.priority < $1.priority } }
        guard let active else {
            (activeID, route, hotPath) = (nil, nil, nil)
            return
        }
        if activeID != active.id {
            activeID = active.id
            hasHadPath = true
            consent.begin(at: now, interval: consentInterval())
        }
        switch active.base {
        case .transport(let id):
            let path = NetworkPath(id, active.remoteAddress)
            route = .direct(path)
            hotPath = path
        case .relay(let relay):
            route = .relayed(relays[relay].path)
            hotPath = nil
        }
    }

    /// Wraps one application datagram for the relayed route, appending to `out`; without a relayed route it is appended as it is.
    public mutating func wrap(_ datagram: Span<UInt8>, into out: inout [UInt8]) {
        guard let activeID, let index = pairIndex(activeID), case .relay(let relay) = pairs[index].base else {
            out.append(span: datagram)
            return
        }
        relays[relay].wrap(datagram, to: pairs[index].remoteAddress, into: &out, environment)
    }
}
