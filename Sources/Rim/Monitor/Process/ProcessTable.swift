import Glibc
import Reactor
import Usage
import Wire

/// Which process holds a socket, and whose it is (spec teleop-monitor 8.1: the operator's name).
///
/// The kernel does not tell; every process' descriptors are looked through (`/proc/<pid>/fd`). On a machine with many that takes longer than a
/// reactor may be held up: it is done in slices, once for all that was asked meanwhile, first the processes in which something was found before,
/// and not again before hundred times its length, at least half a second, has passed.
public final class ProcessTable {
    /// The processes at the two ends of a flow: nil, unknown; `far` only where it is on this machine.
    public struct Owners: Sendable, Equatable {
        /// Of the flow's local end.
        public var local: FlowOwner?
        /// Of its other end, where that is on this machine.
        public var far: FlowOwner?

        public init(local: FlowOwner? = nil, far: FlowOwner? = nil) { (self.local, self.far) = (local, far) }
    }

    /// Whether the descriptors and environments of other users' processes may be read; as the last search found it.
    public private(set) var canReadOthers: Bool
    /// Searches since the beginning, and what the last one took of this thread's time.
    public private(set) var searches = 0
    public private(set) var lastSearchTook = Duration.zero

    private let reactor: Reactor
    private let tables: SocketTables
    /// nil: no process that may be read holds it.
    private var known: [UInt64: (owner: FlowOwner?, until: Instant)] = [:]
    private var waiting: [(inodes: (UInt64, UInt64), done: (Owners) -> Void)] = []
    private var search: Search?
    private var next: ReactorTimer?
    private var allowedAt = Instant.zero
    /// Where sockets were found, the latest last.
    private var likely: [Int32] = []

    private static let mostKnown = 1024
    private static let mostWaiting = 256
    /// A socket's number is used again only after billions, but a program may begin anew within its process.
    private static let knownFor = Duration.seconds(30)
    private static let slice = Duration.milliseconds(1)
    private static let leastPause = Duration.milliseconds(500)

    public init(reactor: Reactor, tables: SocketTables) {
        (self.reactor, self.tables) = (reactor, tables)
        canReadOthers = Self.mayReadInit()
        next = reactor.makeTimer { [unowned self] _ in goOn() }
    }

    private static func mayReadInit() -> Bool {
        guard let directory = unsafe opendir("/proc/1/fd") else { return errno != EACCES && errno != EPERM }
        unsafe closedir(directory)
        return true
    }

    // MARK: Questions

    /// What is known already; nil: ask `owner(of:_:)`.
    public func knownOwner(of flow: FlowKey) -> Owners? {
        let inodes = inodes(of: flow)
        guard let local = known(inodes.0), let far = known(inodes.1) else { return nil }
        return Owners(local: local, far: far)
    }

    /// Tells the owners, at once when they are known, else after a search: mostly some milliseconds, half a second where one was just made. A
    /// question too many is answered with nobody.
    public func owner(of flow: FlowKey, _ done: @escaping (Owners) -> Void) {
        let inodes = inodes(of: flow)
        if let local = known(inodes.0), let far = known(inodes.1) { return done(Owners(local: local, far: far)) }
        guard waiting.count < Self.mostWaiting else { return done(Owners()) }
        waiting.append((inodes, done))
        if search == nil, next?.deadline == nil { next?.deadline = max(allowedAt, MonotonicClock.now()) }
    }

    /// Puts the owners that are known into listings, and has the others looked for: they are known at the next call.
    public func fillOwners(in listings: inout [SocketListing]) {
        var unknown: [UInt64] = []
        for index in listings.indices {
            if let owner = known(listings[index].inode) {
                listings[index].sample.owner = owner
            } else {
                unknown.append(listings[index].inode)
            }
        }
        for inode in unknown.prefix(max(0, Self.mostWaiting - waiting.count)) { waiting.append(((inode, 0), { _ in })) }
        if !unknown.isEmpty, search == nil, next?.deadline == nil { next?.deadline = max(allowedAt, MonotonicClock.now()) }
    }

    /// 0: no socket of this machine.
    private func inodes(of flow: FlowKey) -> (UInt64, UInt64) {
        let local = tables.socket(flow.transport, local: flow.local, remote: flow.remote)?.inode ?? 0
        let isHere = flow.remote.ip.isLoopback || flow.remote.ip == flow.local.ip
        let far = isHere ? tables.socket(flow.transport, local: flow.remote, remote: flow.local)?.inode ?? 0 : 0
        return (local, far)
    }

    /// Twice optional: nil, it was not looked for; some nil, nobody was found.
    private func known(_ inode: UInt64) -> FlowOwner?? {
        if inode == 0 { return .some(nil) }
        guard let entry = known[inode], entry.until > reactor.now else { return nil }
        return .some(entry.owner)
    }

    // MARK: Searches

    private struct Search {
        var pids: [Int32]
        var wanted: Set<UInt64>
        var found: [UInt64: Int32] = [:]
        var denied = false
        var took = Duration.zero
    }

    private func goOn() {
        let begin = MonotonicClock.now()
        if search == nil { beginSearch() }
        let isOver = lookThrough(until: begin + Self.slice)
        let now = MonotonicClock.now()
        search?.took += now - begin
        if isOver { endSearch(at: now) } else { next?.deadline = now }
    }

    private func beginSearch() {
        searches += 1
        let wanted = waiting.flatMap { [$0.inodes.0, $0.inodes.1] }.filter { $0 != 0 && known($0) == nil }
        let others = ProcessFiles.all().filter { !likely.contains($0) }
        // From the end: the likely ones, then the youngest.
        search = Search(pids: others + likely, wanted: Set(wanted))
    }

    /// True: nothing is left to look for, or nowhere to look.
    private func lookThrough(until deadline: Instant) -> Bool {
        guard var current = search.take() else { return true }
        defer { search = current }
        while !current.wanted.isEmpty, let pid = current.pids.popLast() {
            let walk = ProcessFiles.forEachSocket(of: pid) { inode in
                if current.wanted.remove(inode) != nil { current.found[inode] = pid }
                return !current.wanted.isEmpty
            }
            if walk == .denied { current.denied = true }
            if MonotonicClock.now() >= deadline { return current.wanted.isEmpty || current.pids.isEmpty }
        }
        return true
    }

    private func endSearch(at now: Instant) {
        guard let ended = search.take() else { return }
        if ended.denied || ended.pids.isEmpty { canReadOthers = !ended.denied }
        if known.count + ended.found.count + ended.wanted.count > Self.mostKnown { known.removeAll(keepingCapacity: true) }
        var owners: [Int32: FlowOwner] = [:]
        for (inode, pid) in ended.found {
            let owner = owners[pid] ?? Self.describe(pid)
            owners[pid] = owner
            known[inode] = (owner, now + Self.knownFor)
            likely.removeAll { $0 == pid }
            likely.append(pid)
        }
        if likely.count > 16 { likely.removeFirst(likely.count - 16) }
        for inode in ended.wanted { known[inode] = (nil, now + Self.knownFor) }
        lastSearchTook = ended.took + (MonotonicClock.now() - now)
        allowedAt = now + max(Self.leastPause, lastSearchTook * 100)
        answer(now)
    }

    private static func describe(_ pid: Int32) -> FlowOwner {
        let names = ProcessFiles.names(in: pid)
        return FlowOwner(pid: pid, process: ProcessFiles.name(of: pid) ?? "", operatorID: names?.operatorID, user: names?.user)
    }

    private func answer(_ now: Instant) {
        var left: [(inodes: (UInt64, UInt64), done: (Owners) -> Void)] = []
        var ready: [(owners: Owners, done: (Owners) -> Void)] = []
        for question in waiting {
            // Asked while the search went on: the next finds it.
            guard let local = known(question.inodes.0), let far = known(question.inodes.1) else {
                left.append(question)
                continue
            }
            ready.append((Owners(local: local, far: far), question.done))
        }
        waiting = left
        if !left.isEmpty { next?.deadline = allowedAt }
        for (owners, done) in ready { done(owners) }
    }
}
