import Wire

/// One side of ICE for one bundled data stream (RFC 8445 with 8838 trickle and 7675 consent): told datagrams and the time, asked for outputs.
///
/// After every mutation, drain `nextOutput` and call `advance` no later than `deadline`.
public struct IceAgent {
    var configuration: IceConfiguration
    let environment: any Environment
    let tieBreaker: UInt64

    public internal(set) var isControlling: Bool
    public internal(set) var localCandidates: [IceCandidate] = []
    public internal(set) var state = IceConnectionState.new
    public internal(set) var gatheringState = IceGatheringState.new
    public internal(set) var statistics = IceStatistics()

    // Local side.
    var bases: [IceLocalBase] = []
    var bindings: [IceServerBinding] = []
    var relays: [TurnClient] = []
    var serversAwaitingName: [IceServer] = []
    var nextGatheringAt = Instant.zero
    var nextStream: UInt32 = 0x8000_0000

    // Remote side.
    var current: IceGeneration
    var previous: IceGeneration?
    var remoteIsLite = false
    var remoteCandidates: [IceCandidate] = []
    var namedCandidates: [IceCandidate] = []
    var hasAllRemoteCandidates = false
    /// What `undoRestart` goes back to.
    var beforeRestart: IceRestartPoint?

    // Check list.
    var pairs: [IcePair] = []
    var nextPairID = 0
    var triggered: [Int] = []
    var checks: [IceCheck] = []
    var nextCheckAt = Instant.zero
    var ordinaryChecks = 0
    var checkingSince: Instant?
    var firstValidAt: Instant?
    var nominationAt: Instant?

    // The path in use.
    var selectedID: Int?
    var selectedAt = Instant.zero
    var activeID: Int?
    var hasHadPath = false
    /// Since then the peer may have left the path in use.
    var doubtedSince: Instant?
    var consent = IceConsent()
    public internal(set) var route: IceRoute?
    /// The direct path in use, for the first comparison of `receive`.
    var hotPath: NetworkPath?
    /// Paths that passed a check in one direction or the other, oldest first.
    var validated: [IceValidatedPath] = []

    private var outputs = Ring<IceOutput>(limit: IceLimits.outputs)

    public init(configuration: IceConfiguration, isControlling: Bool, environment: any Environment) {
        self.configuration = configuration
        self.environment = environment
        self.isControlling = isControlling && configuration.mode == .full
        tieBreaker = environment.random()
        current = IceGeneration(number: 0, local: IceCredentials(environment), remote: nil)
        for transport in configuration.transports { addBase(transport) }
    }

    public var localCredentials: IceCredentials { current.local }
    /// The pair that was nominated last, of this generation or, until it has one, of the one before.
    public var selected: IceSelectedPair? { selectedPair.map { IceSelectedPair(local: $0.local, remote: $0.remote) } }
    /// Pairs on the check list, at most `IceLimits.pairs`.
    public var pairCount: Int { pairs.count }
    /// Whether this side is to be signalled as `a=ice-lite`.
    public var isLite: Bool { configuration.mode == .lite }
    public var remoteCredentials: IceCredentials? { current.remote }

    /// Says who the offer/answer exchange made controlling (RFC 8445 clause 6.1.1). Before checks begin; afterwards only a role conflict changes it.
    public mutating func setControlling(_ isControlling: Bool) {
        guard configuration.mode == .full, checkingSince == nil else { return }
        self.isControlling = isControlling || remoteIsLite
        recomputePriorities()
    }

    /// The other side's credentials. New ones without a `restart` of this side begin a new generation as well.
    public mutating func setRemote(credentials: IceCredentials, isLite: Bool, at now: Instant) {
        guard state != .closed, current.remote != credentials else { return }
        if current.remote != nil {
            beginGeneration(local: current.local)
            current.wasBegunByPeer = true
        }
        current.remote = credentials
        beforeRestart = nil
        remoteIsLite = isLite
        // RFC 8445 clause 6.1.1: facing a lite agent, the full one controls.
        if isLite, configuration.mode == .full, !isControlling {
            isControlling = true
            recomputePriorities()
        }
        checkingSince = now
        nextCheckAt = min(nextCheckAt, now)
        if state == .new || state == .failed { set(.checking) }
        settle(at: now)
    }

    public mutating func addRemoteCandidate(_ candidate: IceCandidate, at now: Instant) {
        guard state != .closed, candidate.component == 1 else { return }
        // RFC 8838 clause 11: a candidate of another generation is not for this check list.
        if let fragment = candidate.usernameFragment, let remote = current.remote, fragment != remote.usernameFragment { return }
        switch candidate.host {
        case .ip: pairRemote(candidate, at: now)
        case .name(let name):
            guard configuration.resolvesMDNS, candidate.transport == .udp, namedCandidates.count < IceLimits.names else { return }
            namedCandidates.append(candidate)
            output(.resolve(name))
        }
        settle(at: now)
    }

    /// RFC 8838 clause 14: nothing more will be trickled.
    public mutating func endOfRemoteCandidates(at now: Instant) {
        hasAllRemoteCandidates = true
        settle(at: now)
    }

    /// Begins a new generation with new credentials (RFC 8445 clause 9). The selected path carries on until the new generation selects one.
    /// `gather` is to be called again.
    public mutating func restart(at now: Instant) {
        guard state != .closed else { return }
        if current.wasBegunByPeer {
            // The peer's new credentials came first: this is our half of the same restart.
            current.local = IceCredentials(environment)
            current.wasBegunByPeer = false
        } else {
            let point = beforeRestart ?? IceRestartPoint(self)
            beginGeneration(local: IceCredentials(environment))
            beforeRestart = point
        }
        localCandidates = []
        gatheringState = .new
        bindings = []
        if selectedID == nil { set(.new) }
        settle(at: now)
    }

    /// The offer that carried the restart, or that asked for one, is taken back (RFC 8829 clause 4.1.10.2): the credentials, candidates and pairs
    /// from before hold again. Nothing happens without a restart, or once the peer's half of it is known. True: it was undone.
    @discardableResult
    public mutating func undoRestart(at now: Instant) -> Bool {
        guard state != .closed, let point = beforeRestart else { return false }
        beforeRestart = nil
        // The path in use went on meanwhile, and may have ended or moved.
        let kept = pairs.filter { $0.generation == point.current.number }
        (current, previous, bindings) = (point.current, point.previous, point.bindings)
        (localCandidates, gatheringState) = (point.localCandidates, point.gatheringState)
        (remoteCandidates, namedCandidates) = (point.remoteCandidates, point.namedCandidates)
        (hasAllRemoteCandidates, checkingSince) = (point.hasAllRemoteCandidates, now)
        pairs = kept
        for var pair in point.pairs where !kept.contains(where: { $0.id == pair.id }) && pair.id != point.activeID {
            if pair.state == .inProgress { pair.state = .waiting }
            pairs.append(pair)
        }
        checks.removeAll { check in !pairs.contains { $0.id == check.pair } }
        triggered = []
        if selectedPair == nil { selectedID = nil }
        nextCheckAt = now
        refreshRoute(at: now)
        settle(at: now)
        return true
    }

    /// The peer may begin a new transport under the same credentials: a pair that is met from now on is worth a change at once.
    mutating func doubtPath(at now: Instant) { doubtedSince = now }

    /// With a restart under way: the path of the generation before leads to somebody else.
    mutating func leaveOldGeneration(at now: Instant) {
        for index in pairs.indices.reversed() where pairs[index].generation != current.number { removePair(at: index) }
        validated.removeAll { $0.generation != current.number }
        if selectedPair == nil { selectedID = nil }
        refreshRoute(at: now)
        settle(at: now)
    }

    private mutating func beginGeneration(local: IceCredentials) {
        let kept = selectedID ?? activeID
        // Two restarts in a row: the path in use is still of the generation before both.
        let isOlder = kept.flatMap(pairIndex).map { pairs[$0].generation != current.number } ?? false
        if !isOlder { previous = current }
        current = IceGeneration(number: current.number + 1, local: local, remote: nil)
        pairs.removeAll { $0.id != kept }
        if let kept, pairs.contains(where: { $0.id == kept }) { selectedID = kept }
        checks.removeAll { $0.pair != kept || $0.kind != .consent }
        triggered = []
        ordinaryChecks = 0
        remoteCandidates = []
        namedCandidates = []
        hasAllRemoteCandidates = false
        checkingSince = nil
        firstValidAt = nil
        nominationAt = nil
    }

    /// Says what an output `resolve` asked for. No addresses: the name is unknown.
    public mutating func resolved(_ name: String, to addresses: [IPAddress], at now: Instant) {
        let name = name.lowercased()
        for candidate in namedCandidates where candidate.host == .name(name) {
            for address in addresses.prefix(4) {
                var resolved = candidate
                resolved.host = .ip(address)
                pairRemote(resolved, at: now)
            }
        }
        namedCandidates.removeAll { $0.host == .name(name) }
        resolvedServer(name, to: addresses, at: now)
        settle(at: now)
    }

    /// Ends everything: allocations are given back, nothing is sent or accepted any more.
    public mutating func close(at now: Instant) {
        guard state != .closed else { return }
        closeRelays(at: now)
        pairs = []
        checks = []
        bindings = []
        triggered = []
        selectedID = nil
        activeID = nil
        validated = []
        refreshRoute(at: now)
        set(.closed)
    }

    // MARK: time and outputs

    public mutating func advance(to now: Instant) {
        guard state != .closed else { return }
        advanceGathering(to: now)
        advanceChecks(to: now)
        advanceConsent(to: now)
        settle(at: now)
    }

    /// When `advance` wants to be called next.
    public var deadline: Instant? {
        guard state != .closed else { return nil }
        var deadline = earlier(gatheringDeadline, nominationAt)
        for check in checks { deadline = earlier(deadline, check.deadline) }
        if hasReadyPair { deadline = earlier(deadline, nextCheckAt) }
        if state == .checking, let checkingSince, !isChecking, gatheringState != .gathering {
            deadline = earlier(deadline, checkingSince + configuration.patience)
        }
        return earlier(deadline, consentDeadline)
    }

    public mutating func nextOutput() -> IceOutput? { outputs.popFirst() }

    mutating func output(_ output: IceOutput) {
        if !outputs.append(output) { statistics.outputsDropped += 1 }
    }

    /// What follows from any change: candidates from relays, checks that may go at once, nomination, the state.
    mutating func settle(at now: Instant) {
        guard state != .closed else { return }
        drainRelays(at: now)
        updateGatheringState()
        sendDueChecks(at: now)
        evaluateNomination(at: now)
        updateState(at: now)
    }

    mutating func set(_ newState: IceConnectionState) {
        guard newState != state, state != .closed else { return }
        state = newState
        output(.event(.stateChanged(newState)))
    }

    private var isChecking: Bool { pairs.contains { $0.state == .waiting || $0.state == .inProgress } }

    private mutating func updateState(at now: Instant) {
        switch state {
        case .closed, .failed: return
        // A lite agent without a path waits as long as consent lasts.
        case .disconnected where activeID != nil || configuration.mode == .lite: return
        case .new where current.remote == nil && activeID == nil: return
        default: break
        }
        let isChecking = isChecking
        if activeID != nil {
            let isComplete =
                selectedID != nil && gatheringState == .complete && hasAllRemoteCandidates && !isChecking && current.remote != nil
            // RFC 8445 clause 8.1.2; a completed agent that restarts is connected again.
            set(isComplete ? .completed : .connected)
        } else if let checkingSince, now >= checkingSince + configuration.patience, !isChecking, gatheringState != .gathering {
            set(.failed)
        } else {
            set(.checking)
        }
    }
}

/// What a restart that is not answered may be undone to.
struct IceRestartPoint: Sendable {
    let current: IceGeneration
    let previous: IceGeneration?
    let bindings: [IceServerBinding]
    let localCandidates: [IceCandidate]
    let gatheringState: IceGatheringState
    let remoteCandidates: [IceCandidate]
    let namedCandidates: [IceCandidate]
    let hasAllRemoteCandidates: Bool
    let pairs: [IcePair]
    let activeID: Int?

    init(_ agent: borrowing IceAgent) {
        current = agent.current
        previous = agent.previous
        bindings = agent.bindings
        localCandidates = agent.localCandidates
        gatheringState = agent.gatheringState
        remoteCandidates = agent.remoteCandidates
        namedCandidates = agent.namedCandidates
        hasAllRemoteCandidates = agent.hasAllRemoteCandidates
        pairs = agent.pairs
        activeID = agent.selectedID ?? agent.activeID
    }
}

struct IceValidatedPath: Sendable {
    var base: IceBase
    var remote: SocketAddress
    var generation: Int
}
