internal import CLinux
import Glibc
import Reactor
import Usage
import Wire

/// The kernel's tables of sockets (NETLINK_SOCK_DIAG) and its counters of datagrams. Every call answers at once: the kernel makes its answer
/// while it is read. No right is needed.
public final class SocketTables {
    /// Of one listing: with more sockets than this in the ranges nobody learns anything from the rest.
    public static let mostSockets = 2048

    private var descriptor: Int32
    private var sequence: UInt32 = 0
    private let counters: DatagramCounters

    public init() throws(SystemError) {
        descriptor = Self.open()
        guard descriptor >= 0 else { throw SystemError("socket NETLINK_SOCK_DIAG") }
        counters = DatagramCounters()
    }

    deinit { close(descriptor) }

    // MARK: One flow

    /// The socket at the local end of a flow; nil: this host has none. Of UDP also one that is not connected, of either family.
    public func socket(_ transport: Transport, local: SocketAddress, remote: SocketAddress) -> SocketListing? {
        let isV4 = local.ip.family == .v4 && remote.ip.family == .v4
        let order = transport == .udp ? DiagRequest.Order.remoteFirst : .localFirst
        if let found = exact(transport, local, remote, order: order), found.sample.local.port == local.port, found.inode != 0,
            !found.sample.isListening
        {
            return found
        }
        guard transport == .udp else { return nil }
        // A port that several sockets share, or a kernel that takes the ends the other way round.
        let candidates = list(.udp, states: DiagRequest.allStates, ports: [local.port...local.port], ends: .local)
        return candidates.first { $0.sample.local == local && $0.sample.remote == remote }
            ?? candidates.first { $0.sample.remote == nil && ($0.sample.local.ip == local.ip) }
            ?? candidates.first {
                $0.sample.remote == nil && $0.sample.local.ip.isUnspecified && (isV4 || $0.sample.local.ip.family == .v6)
            }
    }

    private func exact(_ transport: Transport, _ local: SocketAddress, _ remote: SocketAddress, order: DiagRequest.Order) -> SocketListing?
    {
        sequence &+= 1
        var found: SocketListing?
        exchange(DiagRequest.exact(transport, local: local, remote: remote, order: order, sequence: sequence), transport) { listing in
            found = listing
            return true
        }
        return found
    }

    // MARK: Lists

    /// Connections with a port of either end in one of the ranges, with what TCP counts; of a loopback connection both ends.
    public func connections(ports: [ClosedRange<UInt16>]) -> [SocketListing] {
        ports.isEmpty ? [] : list(.tcp, states: DiagRequest.connectedStates, withInfo: true, ports: ports, ends: .either)
    }

    /// Ports on which some process of this host accepts TCP connections.
    public func listeningPorts() -> Set<UInt16> {
        Set(list(.tcp, states: DiagRequest.listeningState, ports: [], ends: .local).map(\.sample.local.port))
    }

    /// Whether a connection to this address of this host would find somebody who listens: some microseconds, where to try it costs a tenth of a
    /// millisecond.
    public func isListening(at address: SocketAddress) -> Bool {
        exact(.tcp, address, SocketAddress(address.ip, 0), order: .localFirst)?.sample.isListening ?? false
    }

    /// UDP sockets with a local port in one of the ranges.
    public func datagramSockets(ports: [ClosedRange<UInt16>]) -> [SocketListing] {
        ports.isEmpty ? [] : list(.udp, states: DiagRequest.allStates, ports: ports, ends: .local)
    }

    /// UDP datagrams of this host, both families together, since it started; nil where /proc does not tell.
    public func datagrams() -> DatagramCounters.Counts? { counters.read() }

    private func list(
        _ transport: Transport, states: UInt32, withInfo: Bool = false, ports: [ClosedRange<UInt16>], ends: DiagRequest.Ends
    ) -> [SocketListing] {
        var found: [SocketListing] = []
        for isV6 in [false, true] {
            sequence &+= 1
            let request = DiagRequest.dump(
                transport, isV6: isV6, states: states, withInfo: withInfo, ports: ports, ends: ends, sequence: sequence)
            exchange(request, transport) { listing in
                found.append(listing)
                return found.count < Self.mostSockets
            }
        }
        return found
    }

    // MARK: Netlink

    private static func open() -> Int32 {
        // NETLINK_SOCK_DIAG
        Glibc.socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 4)
    }

    private static let bufferSize = 16_384
    /// Bounds what one question may cost.
    private static let mostReads = 1024

    /// False from `handle`: enough was seen.
    private func exchange(_ request: [UInt8], _ transport: Transport, _ handle: (SocketListing) -> Bool) {
        guard unsafe send(descriptor, request, request.count, 0) == request.count else { return }
        let isOver = unsafe withUnsafeTemporaryAllocation(byteCount: Self.bufferSize, alignment: 8) { buffer in
            for _ in 0..<Self.mostReads {
                let count = unsafe recv(descriptor, buffer.baseAddress!, buffer.count, 0)
                guard count > 0 else { return errno == EAGAIN }
                let bytes = unsafe Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                var (wantsMore, isOver) = (true, false)
                DiagReply.forEach(in: bytes, transport, sequence: sequence) { message in
                    switch message {
                    case .socket(let listing): wantsMore = handle(listing)
                    case .done, .failed: isOver = true
                    }
                    return wantsMore && !isOver
                }
                if isOver { return true }
                if !wantsMore { return false }
            }
            return false
        }
        // While the rest of a dump waits, the kernel refuses the next; a new socket knows nothing of it.
        if !isOver { reopen() }
    }

    private func reopen() {
        close(descriptor)
        descriptor = Self.open()
    }
}
